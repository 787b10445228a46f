//! A headless Chromium, driven by the DevTools protocol over a pipe: enough to open a page at a given width and colour scheme, listen
//! to its console and its network, run a script in it and take its picture. No crate is needed for that.
//!
//! Protocol: <https://chromedevtools.github.io/devtools-protocol/>; messages are JSON, each ended by a NUL byte.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Where the browser is: `BILEVEL_CHROMIUM`, or one of the usual names on the path.
pub fn find() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("BILEVEL_CHROMIUM") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|file| file.is_file())
}

/// A browser that says nothing for so long is taken for dead, so that a test never hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a page is shown.
#[derive(Debug, Clone, Copy)]
pub struct View {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
    pub print: bool,
}

/// What happened while a page was open.
#[derive(Debug, Default)]
pub struct Visit {
    /// Errors and warnings on the console, uncaught exceptions, blocked requests.
    pub complaints: Vec<String>,
    /// Addresses other than the page itself and `data:`.
    pub requests: Vec<String>,
    /// What the script returned.
    pub answer: Value,
}

/// A running browser. It ends when this is dropped.
pub struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Vec<u8>>,
    profile: PathBuf,
    next_id: u64,
    /// Events that arrived while an answer was awaited.
    events: Vec<Value>,
    session: String,
}

impl Browser {
    /// Starts a browser with an empty profile. The shell maps its pipes to the descriptors 3 and 4 that the protocol uses.
    pub fn start(program: &Path) -> Self {
        static STARTED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("bilevel-report-{}-{number}", std::process::id()));
        let mut process = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null"#])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args([
                "--disable-extensions",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let to = process.stdin.take().expect("piped");
        let mut pipe = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while pipe.read_until(0, &mut message).is_ok_and(|n| n > 0)
                && sender.send(std::mem::take(&mut message)).is_ok()
            {}
        });
        let mut browser =
            Self { process, to, from, profile, next_id: 0, events: Vec::new(), session: String::new() };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().expect("a session").to_string();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens a file in a view and evaluates a script in it once it is loaded and drawn.
    pub fn visit(&mut self, file: &Path, view: View, script: &str) -> Visit {
        self.show(view);
        self.ask("Page.navigate", json!({ "url": "about:blank" }));
        self.await_event("Page.loadEventFired");
        self.events.clear();
        let url = format!("file://{}", file.display());
        self.ask("Page.navigate", json!({ "url": url }));
        self.await_event("Page.loadEventFired");
        // Two frames later everything is laid out, and errors of the first frame have been reported.
        let frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))";
        self.evaluate(frames);
        let answer = self.evaluate(script);
        let mut visit = Visit { answer, ..Visit::default() };
        for event in std::mem::take(&mut self.events) {
            note(&event, &url, &mut visit);
        }
        visit
    }

    /// The page that is open, from top to bottom, as PNG in base64.
    pub fn screenshot(&mut self, view: View) -> String {
        let height = self.evaluate("document.documentElement.scrollHeight").as_f64().unwrap_or(0.0) as u32;
        self.show(View { height: height.clamp(view.height, 12_000), ..view });
        let picture =
            self.ask("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        picture["data"].as_str().expect("a picture").to_string()
    }

    fn show(&mut self, view: View) {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": view.width < 600 }),
        );
        let scheme = if view.dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask(
            "Emulation.setEmulatedMedia",
            json!({ "media": if view.print { "print" } else { "screen" }, "features": features }),
        );
    }

    /// The value of an expression (a promise is awaited); an exception fails the test.
    fn evaluate(&mut self, expression: &str) -> Value {
        let arguments = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", arguments);
        assert!(answer.get("exceptionDetails").is_none(), "the test's script failed: {answer}");
        answer["result"]["value"].clone()
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to.write_all(message.to_string().as_bytes()).expect("the browser listens");
        self.to.write_all(&[0]).expect("the browser listens");
        loop {
            let message = self.receive();
            if message["id"] == json!(id) {
                assert!(message.get("error").is_none(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn await_event(&mut self, name: &str) {
        if let Some(i) = self.events.iter().position(|e| e["method"] == name) {
            self.events.remove(i);
            return;
        }
        loop {
            let message = self.receive();
            if message["method"] == name {
                return;
            }
            self.events.push(message);
        }
    }

    fn receive(&mut self) -> Value {
        let bytes = self.from.recv_timeout(PATIENCE);
        let mut bytes = bytes
            .expect("the browser ended or fell silent; does it start by hand with --headless --no-sandbox?");
        bytes.pop();
        serde_json::from_slice(&bytes).expect("the browser speaks JSON")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// Sorts an event into what the test wants to know.
fn note(event: &Value, page: &str, visit: &mut Visit) {
    let params = &event["params"];
    match event["method"].as_str().unwrap_or_default() {
        "Runtime.consoleAPICalled"
            if matches!(params["type"].as_str(), Some("error" | "warning" | "assert")) =>
        {
            visit.complaints.push(params["args"].to_string());
        }
        "Runtime.exceptionThrown" => visit.complaints.push(params["exceptionDetails"].to_string()),
        "Log.entryAdded" if matches!(params["entry"]["level"].as_str(), Some("error" | "warning")) => {
            visit.complaints.push(params["entry"]["text"].to_string());
        }
        "Network.requestWillBeSent" => {
            let url = params["request"]["url"].as_str().unwrap_or_default();
            if url != page && !url.starts_with("data:") {
                visit.requests.push(url.to_string());
            }
        }
        _ => {}
    }
}
