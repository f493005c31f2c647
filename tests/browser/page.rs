//! What a test does with a page: asks it, waits for it, presses its keys, looks at it.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::driver::{Driver, ELEMENT};

/// How long a page has for what it is to show; only a failure ever takes so long.
const DEADLINE: Duration = Duration::from_secs(30);

/// Pauses between two looks at a page. Each costs the browser a little.
const EVERY: Duration = Duration::from_millis(40);

/// Keys, as WebDriver names them.
pub(crate) mod keys {
    pub(crate) const TAB: char = '\u{e004}';
    pub(crate) const ENTER: char = '\u{e007}';
    pub(crate) const ESCAPE: char = '\u{e00c}';
    pub(crate) const HOME: char = '\u{e011}';
    pub(crate) const RIGHT: char = '\u{e014}';
}

/// Which colours somebody likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    Dark,
    Light,
}

impl Theme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }
}

/// The page that a browser shows.
#[derive(Debug)]
pub(crate) struct Page {
    driver: Driver,
    origin: String,
}

impl Page {
    /// Opens `path` of the server at `origin`. What goes wrong in the page is noted from its first moment on.
    pub(crate) fn open(driver: Driver, origin: String, path: &str) -> Self {
        let page = Self { driver, origin };
        page.cdp(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({ "source": include_str!("notes.js") }),
        );
        page.resize(1280, 900);
        let url = format!("{}{path}", page.origin);
        page.driver.post("/url", &json!({ "url": url }));
        page
    }

    /// Loads the page again.
    pub(crate) fn reload(&self) {
        self.driver.post("/refresh", &json!({}));
    }

    /// The value of a JavaScript expression.
    #[track_caller]
    pub(crate) fn ask(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        let call = json!({ "script": script, "args": [] });
        self.driver.post("/execute/sync", &call)
    }

    /// The value of an expression that is a text.
    #[track_caller]
    pub(crate) fn text(&self, expression: &str) -> String {
        match self.ask(expression) {
            Value::String(text) => text,
            other => panic!("{expression} is no text but {other}"),
        }
    }

    /// The value of an expression that is a number.
    #[track_caller]
    pub(crate) fn number(&self, expression: &str) -> f64 {
        let value = self.ask(expression);
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{expression} is no number but {value}"))
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    ///
    /// Panics with `what` if it never is; then `target/browser/failed.png` shows the page.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, expression: &str) {
        self.until_within(DEADLINE, what, expression);
    }

    /// Waits for so long at most.
    #[track_caller]
    pub(crate) fn until_within(&self, patience: Duration, what: &str, expression: &str) {
        let start = Instant::now();
        let condition = format!("Boolean({expression})");
        while self.ask(&condition) != true {
            if start.elapsed() > patience {
                self.screenshot("failed");
                panic!("{what}: never within {patience:?} ({expression})");
            }
            thread::sleep(EVERY);
        }
    }

    /// Presses a key and lets it go.
    #[track_caller]
    pub(crate) fn press(&self, key: char) {
        let steps = ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": steps });
        self.driver
            .post("/actions", &json!({ "actions": [keyboard] }));
    }

    /// Types into what has the focus.
    #[track_caller]
    pub(crate) fn enter(&self, text: &str) {
        for key in text.chars() {
            self.press(key);
        }
    }

    /// Moves the focus by the tab key until it is on what `selector` names.
    #[track_caller]
    pub(crate) fn tab_to(&self, selector: &str) {
        // The focus starts at the top of the page, so that one way through is enough.
        self.ask("(document.activeElement.blur(), getSelection().removeAllRanges(), true)");
        for _ in 0..200 {
            self.press(keys::TAB);
            if self.ask(&format!("document.activeElement.matches('{selector}')")) == true {
                return;
            }
        }
        panic!("the tab key never comes to {selector}");
    }

    /// What assistive technology calls each element that `selector` names.
    #[track_caller]
    pub(crate) fn names_of(&self, selector: &str) -> Vec<(String, String)> {
        let shown = format!(
            "[...document.querySelectorAll('{selector}')].filter((one) => one.checkVisibility())"
        );
        let elements = self.ask(&shown);
        let elements = elements.as_array().expect("elements");
        let named = elements.iter().map(|element| {
            let id = element[ELEMENT].as_str().expect("an element");
            let name = self.driver.get(&format!("/element/{id}/computedlabel"));
            let tag = self
                .driver
                .get(&format!("/element/{id}/property/outerHTML"));
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&tag), text(&name))
        });
        named.collect()
    }

    /// A command of the browser's developer tools.
    #[track_caller]
    pub(crate) fn cdp(&self, command: &str, params: &Value) -> Value {
        let call = json!({ "cmd": command, "params": params });
        self.driver.post("/goog/cdp/execute", &call)
    }

    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", &size);
    }

    pub(crate) fn like(&self, theme: Theme) {
        let scheme = json!({ "name": "prefers-color-scheme", "value": theme.name() });
        self.cdp(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [scheme] }),
        );
    }

    /// Writes `target/browser/<name>.png`: the whole page, however long it is.
    pub(crate) fn screenshot(&self, name: &str) {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let image = self.cdp("Page.captureScreenshot", &whole);
        let image = image["data"].as_str().expect("an image");
        let image = STANDARD.decode(image).expect("base64");
        let folder = folder();
        fs::create_dir_all(&folder).expect("a folder for screenshots");
        fs::write(folder.join(format!("{name}.png")), image).expect("a screenshot");
    }

    /// Fails if something went wrong in the page since it was opened, or if it asked another host.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let notes = self.ask("globalThis.notes");
        assert_eq!(notes, json!([]), "errors in the page");
        let log = self.log("browser");
        let severe = log.iter().filter(|entry| entry["level"] == "SEVERE");
        let severe: Vec<&Value> = severe.collect();
        assert!(severe.is_empty(), "errors on the console: {severe:?}");
        self.assert_own_host_only();
    }

    #[track_caller]
    fn assert_own_host_only(&self) {
        let names = self.ask("performance.getEntriesByType('resource').map(({ name }) => name)");
        let names = names.as_array().expect("names").iter();
        let mut asked: Vec<String> = names
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect();
        for entry in self.log("performance") {
            let message = entry["message"].as_str().expect("a message");
            let message: Value = serde_json::from_str(message).expect("JSON");
            let params = &message["message"]["params"];
            match message["message"]["method"].as_str() {
                Some("Network.requestWillBeSent") => asked.extend(address(&params["request"])),
                Some("Network.webSocketCreated") => asked.extend(address(params)),
                _ => {}
            }
        }
        assert!(asked.len() > 3, "it asked for nothing: {asked:?}");
        let own = format!("{}/", self.origin);
        for url in asked {
            // Icons are `data:`, and the start page is in the browser, with schemes of its own.
            let asks_a_host = url.starts_with("http") || url.starts_with("ws");
            assert!(!asks_a_host || url.starts_with(&own), "it asked {url}");
        }
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        match self.driver.post("/se/log", &json!({ "type": kind })) {
            Value::Array(entries) => entries,
            other => panic!("the {kind} log is {other}"),
        }
    }
}

fn address(of: &Value) -> Option<String> {
    of["url"].as_str().map(str::to_owned)
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("browser")
}
