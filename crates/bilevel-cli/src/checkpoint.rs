//! Checkpoints: what an interrupted fit needs to go on, kept whole on disk while it runs.
//!
//! A fit is deterministic, so its journal of evaluations is all its state: a resumed fit replays the journal and goes on where it ends, to
//! the same answer. `checkpoint.json` (journal, settings, where the data lie and their fingerprint) and `trace.jsonl` are replaced atomically,
//! so at every moment each of them is either the old or the new one, never a torn one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use bilevel::fit::{FitSettings, JournalEntry};
use bilevel::outer::Step;
use bilevel_io::write_atomically;
use serde::{Deserialize, Serialize};

use crate::load::LoadOptions;
use crate::output::{TRACE_FILE, trace_lines, write_text};

/// Name of the checkpoint inside the output directory.
pub const CHECKPOINT_FILE: &str = "checkpoint.json";
/// Layout of the checkpoint.
const SCHEMA: u32 = 1;
/// Shortest time between two checkpoints; a slow disk stretches it so that writing takes at most a twentieth of the time.
const INTERVAL: Duration = Duration::from_secs(1);
const WRITING_SHARE: u32 = 20;

/// Everything but the journal: what was asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    schema: u32,
    version: String,
    /// What was read.
    pub load: LoadOptions,
    /// How it is fitted.
    pub settings: FitSettings,
    /// Fingerprints of what was read.
    pub fingerprint: String,
}

/// A checkpoint as read back.
#[derive(Debug, Deserialize)]
pub struct Checkpoint {
    #[serde(flatten)]
    pub header: Header,
    pub journal: Vec<JournalEntry>,
}

impl Header {
    pub fn new(load: LoadOptions, settings: FitSettings, fingerprint: String) -> Self {
        Self { schema: SCHEMA, version: env!("CARGO_PKG_VERSION").to_string(), load, settings, fingerprint }
    }
}

impl Checkpoint {
    /// Reads the checkpoint in `directory`; `None` if there is none.
    ///
    /// # Errors
    /// A checkpoint that cannot be read, is damaged, or was written by another version.
    pub fn read(directory: &Path) -> anyhow::Result<Option<Self>> {
        let path = directory.join(CHECKPOINT_FILE);
        let name = path.display();
        let text = match std::fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("{name}: cannot be read"))?,
        };
        let checkpoint: Self = serde_json::from_str(&text).map_err(|e| {
            anyhow!("{name}: line {}: damaged ({e}); start the fit again without --resume", e.line())
        })?;
        let Header { schema, version, .. } = &checkpoint.header;
        let ours = env!("CARGO_PKG_VERSION");
        if *schema != SCHEMA || version != ours {
            bail!(
                "{name}: written by bilevel {version}, checkpoint layout {schema}; expected {ours}, layout {SCHEMA}"
            );
        }
        Ok(Some(checkpoint))
    }
}

/// Keeps the checkpoint and the trace of a running fit on disk.
pub struct Recorder {
    directory: PathBuf,
    /// `{…header…,"journal":[` as text.
    opening: String,
    /// The entries before `recent` as text, each with a comma behind it: each is put into words once.
    earlier: String,
    /// The last entry with solutions to start from, which alone keeps them, and what came after it.
    recent: Vec<JournalEntry>,
    trace: Vec<Step>,
    written: Option<Instant>,
    pause: Duration,
    changed: bool,
    made_directory: bool,
}

impl Recorder {
    /// A recorder that writes nothing before its first [`Recorder::save_if_due`].
    ///
    /// # Errors
    /// The header or the journal cannot be put into JSON.
    pub fn new(directory: &Path, header: &Header, journal: &[JournalEntry]) -> anyhow::Result<Self> {
        let mut opening = serde_json::to_string(header)?;
        opening.pop();
        opening.push_str(",\"journal\":[");
        let mut recorder = Self {
            directory: directory.to_path_buf(),
            opening,
            earlier: String::new(),
            recent: Vec::new(),
            trace: Vec::new(),
            written: None,
            pause: INTERVAL,
            changed: true,
            made_directory: false,
        };
        for entry in journal {
            recorder.evaluation(entry)?;
        }
        Ok(recorder)
    }

    /// Appends an evaluation.
    ///
    /// # Errors
    /// It cannot be put into JSON.
    pub fn evaluation(&mut self, entry: &JournalEntry) -> anyhow::Result<()> {
        if entry.warm_start.is_some() {
            for mut settled in self.recent.drain(..) {
                settled.warm_start = None;
                writeln!(self.earlier, "{},", serde_json::to_string(&settled)?)?;
            }
        }
        self.recent.push(entry.clone());
        self.changed = true;
        Ok(())
    }

    /// Appends a step to the trace.
    pub fn step(&mut self, step: &Step) {
        self.trace.push(step.clone());
        self.changed = true;
    }

    /// Whether a checkpoint lies on the disk.
    pub fn has_written(&self) -> bool {
        self.written.is_some()
    }

    /// Writes checkpoint and trace if the last ones are old enough.
    ///
    /// # Errors
    /// The directory cannot be made or a file not written.
    pub fn save_if_due(&mut self) -> anyhow::Result<()> {
        match self.written {
            Some(at) if at.elapsed() < self.pause => Ok(()),
            _ => self.save(),
        }
    }

    /// Writes checkpoint and trace, if anything is new.
    ///
    /// # Errors
    /// The directory cannot be made or a file not written.
    pub fn save(&mut self) -> anyhow::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let begun = Instant::now();
        if !self.directory.is_dir() {
            std::fs::create_dir_all(&self.directory)
                .with_context(|| format!("{}: cannot be made", self.directory.display()))?;
            self.made_directory = true;
        }
        let recent =
            self.recent.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?.join(",\n");
        let parts = [&self.opening, "\n", &self.earlier, &recent, "\n]}\n"];
        let written = write_atomically(self.directory.join(CHECKPOINT_FILE), |out| {
            parts.iter().try_for_each(|part| out.write_all(part.as_bytes()))
        });
        if written.is_err() {
            self.remove_directory_if_ours();
        }
        written?;
        if !self.trace.is_empty() {
            let trace = trace_lines(&self.trace)?;
            write_text(&self.directory.join(TRACE_FILE), &trace)?;
        }
        self.changed = false;
        self.written = Some(Instant::now());
        self.pause = INTERVAL.max(begun.elapsed() * WRITING_SHARE);
        Ok(())
    }

    /// The fit is done and its results are written: the checkpoint has no more use.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        let path = self.directory.join(CHECKPOINT_FILE);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("{}: cannot be removed", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// The fit failed and would fail again: leave nothing behind that was not there before.
    pub fn discard(&self) {
        // The failure of the fit is what is reported; that a file could not be removed after it would only hide it.
        let _ = self.remove();
        if self.made_directory {
            let _ = std::fs::remove_file(self.directory.join(TRACE_FILE));
        }
        self.remove_directory_if_ours();
    }

    fn remove_directory_if_ours(&self) {
        if self.made_directory {
            let _ = std::fs::remove_dir(&self.directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Source;
    use bilevel::fit::WarmStart;

    fn entry(key: u64) -> JournalEntry {
        JournalEntry {
            stage: "scalar".to_string(),
            key,
            value_bits: f64::NAN.to_bits(),
            standard_error_bits: f64::INFINITY.to_bits(),
            gradient_indices: Some(vec![0, 7]),
            gradient_bits: vec![0.1_f64.to_bits(), (-1e-300_f64).to_bits()],
            gradient_error_bound_bits: u64::MAX,
            relative_gap_bits: 0,
            support_size_bits: 3.2_f64.to_bits(),
            biactive: 1,
            warm_start: Some(vec![WarmStart { indices: vec![3], bits: vec![key], intercept_bits: 1 }]),
        }
    }

    fn header() -> Header {
        let load = LoadOptions {
            data: Source::Embedded("diabetes".to_string()),
            target: None,
            positive: None,
            groups: None,
            validation: None,
            test: None,
        };
        let settings = FitSettings { tolerance: 0.1 + 0.2, ..FitSettings::default() };
        Header::new(load, settings, "00ff".to_string())
    }

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("bilevel-checkpoint-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_checkpoint_reads_back_bit_for_bit_with_the_last_solutions_only() {
        let directory = directory("round");
        let journal = [entry(u64::MAX), entry(1)];
        let mut recorder = Recorder::new(&directory, &header(), &journal[..1]).unwrap();
        recorder.save_if_due().unwrap();
        recorder.evaluation(&journal[1]).unwrap();
        recorder.save().unwrap();
        let back = Checkpoint::read(&directory).unwrap().unwrap();
        assert_eq!(back.journal[1], journal[1]);
        assert_eq!(back.journal[0], JournalEntry { warm_start: None, ..journal[0].clone() });
        assert_eq!(back.header.settings, header().settings);
        assert_eq!(back.header.fingerprint, "00ff");
        recorder.discard();
        assert!(!directory.exists(), "a failed fit leaves nothing behind");
    }

    #[test]
    fn a_cut_checkpoint_is_one_sentence_wherever_it_is_cut() {
        let directory = directory("cut");
        let mut recorder = Recorder::new(&directory, &header(), &[entry(5), entry(6)]).unwrap();
        recorder.save().unwrap();
        let path = directory.join(CHECKPOINT_FILE);
        let whole = std::fs::read(&path).unwrap();
        for length in (0..whole.len() - 2).step_by(17) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let said = Checkpoint::read(&directory).unwrap_err().to_string();
            assert!(said.contains("checkpoint.json: line") && said.contains("damaged"), "{said}");
            assert!(!said.contains('\n'));
        }
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(Checkpoint::read(&directory).unwrap().is_none());
    }
}
