//! `bilevel fit`: data in, learned regularization out.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bilevel::Error;
use bilevel::data::SplitSettings;
use bilevel::fit::{Fit, FitInput, FitSettings, JournalEntry, Observer, resumable};
use bilevel::outer::{Step, StopReason};

use crate::args::{FitArgs, SayArgs};
use crate::checkpoint::{CHECKPOINT_FILE, Checkpoint, Header, Recorder};
use crate::load::{LoadOptions, Loaded};
use crate::progress::Progress;
use crate::{exit, interrupt, model_file, output, summary, text};

/// A fit that is about to run.
pub struct Plan {
    pub load: LoadOptions,
    pub settings: FitSettings,
    pub output: Option<PathBuf>,
    pub say: SayArgs,
    /// What an interrupted run left: its evaluations, and the fingerprint of its data.
    pub resumed: Option<(Vec<JournalEntry>, String)>,
}

/// `given` names the options that the user wrote.
pub fn run(args: FitArgs, given: &[String]) -> anyhow::Result<u8> {
    if let Some(directory) = &args.resume {
        const ALLOWED: [&str; 4] = ["resume", "json", "quiet", "threads"];
        if let Some(other) = given.iter().find(|name| !ALLOWED.contains(&name.as_str())) {
            bail!(
                "--resume continues with the data and settings it was started with: found {} as well; expected only --json, --quiet or --threads",
                as_written(other)
            );
        }
        return resume(directory, args.model.threads.threads, args.say);
    }
    let settings = args.model.settings(&args.data, args.test.test_fraction)?;
    let load = args.data.load_options(args.test.test);
    execute(Plan { load, settings, output: args.output, say: args.say, resumed: None })
}

/// The option as it stands on a command line.
fn as_written(id: &str) -> String {
    if id == "data" { "DATA".to_string() } else { format!("--{}", id.replace('_', "-")) }
}

fn resume(directory: &Path, threads: Option<usize>, say: SayArgs) -> anyhow::Result<u8> {
    if let Some(Checkpoint { header, journal }) = Checkpoint::read(directory)? {
        let Header { load, mut settings, fingerprint, .. } = header;
        settings.threads = threads.or(settings.threads);
        output::sweep(directory).with_context(|| format!("{}: cannot be cleared", directory.display()))?;
        let resumed = Some((resumable(&journal).to_vec(), fingerprint));
        return execute(Plan { load, settings, output: Some(directory.to_path_buf()), say, resumed });
    }
    if !directory.join(model_file::MODEL_FILE).exists() {
        bail!(
            "{}: found no checkpoint and no model; expected the --output directory of an interrupted fit",
            directory.display()
        );
    }
    if !say.quiet {
        eprintln!("{}: this fit is complete; nothing to resume", directory.display());
    }
    tell(&model_file::read_fit(directory)?, Some(directory), say)?;
    Ok(0)
}

/// Reads, fits, writes, tells.
pub fn execute(plan: Plan) -> anyhow::Result<u8> {
    interrupt::listen()?;
    let Plan { load, mut settings, output, say, resumed } = plan;
    if let Some(directory) = &output {
        check_directory(directory)?;
    }
    let loaded = load.read(settings.loss, settings.single_precision)?;
    if let SplitSettings::Validation(rows) = &mut settings.split {
        *rows = loaded.n_validation;
    }
    let resuming = resumed.is_some();
    let journal = match resumed {
        Some((journal, fingerprint)) => {
            check_fingerprint(&loaded, &fingerprint)?;
            journal
        }
        None => Vec::new(),
    };
    if !say.quiet {
        loaded.notes.iter().for_each(|note| eprintln!("{note}"));
        if let Some(directory) = output.as_deref().filter(|d| !resuming && d.join(CHECKPOINT_FILE).exists()) {
            eprintln!("{}: held an interrupted fit; this one replaces it", directory.display());
        }
    }
    let header = Header::new(load.absolute()?, settings, loaded.fingerprint());
    let mut watch = Watch::new(&header, output.as_deref(), &journal, say)?;
    watch.resuming = resuming;
    let fitted = search(&loaded, &header.settings, &journal, &mut watch);
    let mut fit = watch.conclude(fitted)?;
    fit.record.seconds.load = loaded.seconds;
    fit.record.seconds.total += loaded.seconds;

    let interrupted = fit.record.outer.stop_reason == StopReason::Cancelled;
    if let Some(directory) = &output {
        output::write_all(directory, &fit, header.load.target_column())?;
        if !interrupted {
            watch.forget_checkpoint()?;
        }
    }
    tell(&fit, output.as_deref(), say)?;
    if !interrupted {
        return Ok(0);
    }
    if !say.quiet {
        match &output {
            Some(directory) => {
                eprintln!("interrupted; continue with `bilevel fit --resume {}`", directory.display())
            }
            None => eprintln!("interrupted; this is the best answer so far"),
        }
    }
    Ok(exit::INTERRUPTED)
}

fn search(
    loaded: &Loaded,
    settings: &FitSettings,
    journal: &[JournalEntry],
    observer: &mut dyn Observer,
) -> bilevel::Result<Fit> {
    let input = FitInput {
        test: loaded.test.as_ref(),
        groups: loaded.groups.as_deref(),
        journal,
        ..FitInput::new(&loaded.name, &loaded.data, settings)
    };
    bilevel::fit::fit(input, observer)
}

/// An output that can never be written is found out before hours of work.
pub(super) fn check_directory(directory: &Path) -> anyhow::Result<()> {
    let metadata = match std::fs::metadata(directory) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.with_context(|| format!("{}: cannot be used as output", directory.display()))?,
    };
    if !metadata.is_dir() {
        bail!("{}: found a file; expected a directory, or a name that is still free", directory.display());
    }
    Ok(())
}

fn check_fingerprint(loaded: &Loaded, expected: &str) -> anyhow::Result<()> {
    let found = loaded.fingerprint();
    if found != expected {
        bail!(
            "{}: the data changed since the fit was started (fingerprint {found}; expected {expected}); start again without --resume",
            loaded.name
        );
    }
    Ok(())
}

fn tell(fit: &Fit, directory: Option<&Path>, say: SayArgs) -> anyhow::Result<()> {
    if say.json {
        text::print(&(serde_json::to_string(&summary::for_programs(fit)?)? + "\n"))
    } else if say.quiet {
        Ok(())
    } else {
        text::print(&summary::for_people(fit, directory))
    }
}

/// Watches a fit: shows progress, keeps the checkpoint, passes on an interruption.
struct Watch {
    progress: Progress,
    recorder: Option<Recorder>,
    /// Whether the checkpoint is an earlier run's, and not to be thrown away when this one fails.
    resuming: bool,
    /// Why no checkpoint could be written at all.
    failure: Option<anyhow::Error>,
    warned: bool,
}

impl Watch {
    fn new(
        header: &Header,
        output: Option<&Path>,
        journal: &[JournalEntry],
        say: SayArgs,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            progress: Progress::new(say.quiet, header.settings.max_outer),
            recorder: output.map(|directory| Recorder::new(directory, header, journal)).transpose()?,
            resuming: false,
            failure: None,
            warned: false,
        })
    }

    /// Saves if due. The first failure ends the fit, for its results could not be written either; later ones may pass.
    fn save_if_due(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        if self.failure.is_some() {
            return;
        }
        if let Err(e) = recorder.save_if_due() {
            if !recorder.has_written() {
                self.failure = Some(e);
            } else if !self.warned {
                eprintln!("warning: {}; the fit goes on", exit::sentence(&e));
                self.warned = true;
            }
        }
    }

    /// The fit has ended, well or not: what the disk holds must agree with it.
    fn conclude(&mut self, fitted: bilevel::Result<Fit>) -> anyhow::Result<Fit> {
        self.progress.finish();
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let Some(recorder) = &mut self.recorder else { return Ok(fitted?) };
        match fitted {
            Ok(fit) if fit.record.outer.stop_reason == StopReason::Cancelled => {
                recorder.save()?;
                Ok(fit)
            }
            Ok(fit) => Ok(fit),
            Err(Error::Cancelled) => {
                recorder.save()?;
                Err(Error::Cancelled.into())
            }
            Err(e) => {
                if !self.resuming {
                    recorder.discard();
                }
                Err(e.into())
            }
        }
    }

    fn forget_checkpoint(&self) -> anyhow::Result<()> {
        self.recorder.as_ref().map_or(Ok(()), Recorder::remove)
    }
}

impl Observer for Watch {
    fn on_stage(&mut self, name: &str, n_parameters: usize) {
        self.progress.stage(name, n_parameters);
        self.save_if_due();
    }

    fn on_step(&mut self, step: &Step) -> ControlFlow<()> {
        self.progress.step(step);
        if let Some(recorder) = &mut self.recorder {
            recorder.step(step);
        }
        self.save_if_due();
        if interrupt::requested() || self.failure.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn on_evaluation(&mut self, entry: &JournalEntry) {
        if let Some(recorder) = &mut self.recorder
            && let Err(e) = recorder.evaluation(entry)
        {
            self.failure.get_or_insert(e);
        }
        self.save_if_due();
    }
}
