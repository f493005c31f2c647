//! One browser with one window, spoken to by WebDriver: JSON over HTTP to a chromedriver of our own.
//!
//! Nothing of it outlives the test, whatever happens: the browser hangs on a pipe of chromedriver's and ends with it, and
//! chromedriver is killed when [`Driver`] is dropped. Names resolve nowhere, so whatever asks another host fails.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use ureq::Agent;

use crate::find::Programs;

/// The longest that one command may take; the start of a browser is the slowest.
const PATIENCE: Duration = Duration::from_secs(60);

/// A screenshot or a log is not longer than this.
const MAX_BYTES: u64 = 256 << 20;

/// The key under which WebDriver says which element it means.
pub(crate) const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running browser.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Child,
    // Closed, chromedriver would fail to write.
    _said: BufReader<ChildStdout>,
    agent: Agent,
    url: String,
    session: Option<String>,
    profile: PathBuf,
}

impl Driver {
    pub(crate) fn start(programs: &Programs) -> Self {
        let mut process = Command::new(&programs.driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let said = process.stdout.take().expect("its output is ours");
        let mut driver = Self {
            process,
            _said: BufReader::new(said),
            agent: agent(),
            url: String::new(),
            session: None,
            profile: fresh_folder(),
        };
        driver.url = format!("http://127.0.0.1:{}", driver.port());
        let wish = capabilities(&programs.browser, &driver.profile);
        let opened = driver.send("POST", "/session", &wish).expect("a browser");
        let id = opened["sessionId"].as_str().expect("a session");
        driver.session = Some(id.to_owned());
        driver
    }

    /// The port that chromedriver took.
    fn port(&mut self) -> u16 {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self._said.read_line(&mut line).expect("its output");
            assert!(read > 0, "chromedriver ended before it listened");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                return port.trim().trim_end_matches('.').parse().expect("a port");
            }
        }
    }

    /// Posts a command of the session, whose `path` follows its address.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.command("POST", path, body)
    }

    /// Gets a value of the session.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.command("GET", path, &Value::Null)
    }

    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let session = self.session.as_deref().expect("a session");
        let path = format!("/session/{session}{path}");
        match self.send(method, &path, body) {
            Ok(value) => value,
            Err(said) => panic!("{method} {path}: {said}"),
        }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.url);
        let sent = match method {
            "POST" => self.agent.post(url).send(body.to_string()),
            "DELETE" => self.agent.delete(url).call(),
            _ => self.agent.get(url).call(),
        };
        let mut response = sent.map_err(|error| error.to_string())?;
        let text = response
            .body_mut()
            .with_config()
            .limit(MAX_BYTES)
            .read_to_string()
            .map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) if !response.status().is_success() => {
                Err(format!("{error}: {}", value["message"]))
            }
            _ => Ok(value),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The polite way first, so that the browser can tidy up; the others need no answer.
        if let Some(session) = self.session.take() {
            let _closed = self.send("DELETE", &format!("/session/{session}"), &Value::Null);
        }
        let _killed = self.process.kill();
        let _ended = self.process.wait();
        let _removed = fs::remove_dir_all(&self.profile);
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .new_agent()
}

fn capabilities(browser: &Path, profile: &Path) -> Value {
    let profile = format!("--user-data-dir={}", profile.display());
    json!({ "capabilities": { "alwaysMatch": {
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        "goog:chromeOptions": {
            "binary": browser,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--remote-debugging-pipe", "--no-proxy-server", "--disable-background-networking",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                "--force-color-profile=srgb", "--hide-scrollbars", profile,
            ],
        },
    } } })
}

fn fresh_folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!(
        "browser-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
