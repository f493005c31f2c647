//! The plugin's `Server-Timing`, read by the grammar of the specification as a browser reads it.
//!
//! ```text
//! Server-Timing             = #server-timing-metric
//! server-timing-metric      = metric-name *( OWS ";" OWS server-timing-param )
//! metric-name               = token
//! server-timing-param       = server-timing-param-name OWS "=" OWS server-timing-param-value
//! server-timing-param-name  = token
//! server-timing-param-value = token / quoted-string
//! ```

use std::{iter::Peekable, str::Chars};

use actix_offload::{Offload, Placement};
use actix_web::{App, HttpResponse, web};
use offload_tests::{client::Client, server::TestServer};

#[derive(Debug, PartialEq)]
struct Metric {
    name: String,
    params: Vec<(String, String)>,
}

impl Metric {
    fn param(&self, name: &str) -> Option<&str> {
        let mut params = self.params.iter();
        let (_, value) = params.find(|(param, _)| param == name)?;
        Some(value)
    }

    /// What a browser shows for it, and its duration as a script sees it: zero if it has none.
    fn shown(&self) -> (String, f64) {
        let description = self.param("desc").unwrap_or_default();
        let duration = self.param("dur").map(|dur| dur.parse().expect("a number"));
        (
            format!("{} — {description}", self.name),
            duration.unwrap_or(0.0),
        )
    }
}

/// Reads a whole field value, or fails with where it is wrong.
fn parse(value: &str) -> Vec<Metric> {
    let mut text = value.chars().peekable();
    let mut metrics = Vec::new();
    loop {
        let name = token(&mut text);
        let mut params = Vec::new();
        space(&mut text);
        while text.next_if_eq(&';').is_some() {
            space(&mut text);
            let param = token(&mut text);
            space(&mut text);
            assert_eq!(text.next(), Some('='), "{value}");
            space(&mut text);
            params.push((param, token_or_quoted(&mut text)));
            space(&mut text);
        }
        metrics.push(Metric { name, params });
        match text.next() {
            None => return metrics,
            Some(',') => space(&mut text),
            Some(other) => panic!("{other:?} in {value}"),
        }
    }
}

fn space(text: &mut Peekable<Chars<'_>>) {
    while text
        .next_if(|letter| [' ', '\t'].contains(letter))
        .is_some()
    {}
}

fn token(text: &mut Peekable<Chars<'_>>) -> String {
    let is_part =
        |letter: &char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(*letter);
    let mut token = String::new();
    while let Some(letter) = text.next_if(is_part) {
        token.push(letter);
    }
    assert!(!token.is_empty(), "a token is missing before {text:?}");
    token
}

fn token_or_quoted(text: &mut Peekable<Chars<'_>>) -> String {
    if text.next_if_eq(&'"').is_none() {
        return token(text);
    }
    let mut quoted = String::new();
    loop {
        match text.next().expect("the quotes are closed") {
            '"' => return quoted,
            '\\' => quoted.push(text.next().expect("something is escaped")),
            letter => {
                assert!(
                    letter == '\t' || (' '..='~').contains(&letter),
                    "{letter:?}"
                );
                quoted.push(letter);
            }
        }
    }
}

#[test]
fn browsers_understand_it() {
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .pin("GET", "/loop", Placement::Loop)
        .pin("GET", "/lane", Placement::Lane)
        .server_timing(true)
        .build()
        .expect("starts");
    let server = TestServer::start(offload.app(|| {
        let answer = || async {
            let timing = ("server-timing", "db;dur=53");
            HttpResponse::Ok().append_header(timing).finish()
        };
        App::new()
            .route("/loop", web::get().to(answer))
            .route("/lane", web::get().to(answer))
    }));
    for (target, thread, lines) in [
        (
            "/loop",
            "actix-",
            ["place — loop", "queue — no wait", "run — on its event loop"],
        ),
        (
            "/lane",
            "offload-",
            [
                "place — lane",
                "queue — waited for a lane",
                "run — on a lane",
            ],
        ),
    ] {
        let response = Client::new(server.addr()).get(target).expect("answers");
        // The handler's own line stays a line of its own.
        let values = response.header_values("server-timing");
        assert_eq!((values.len(), values[0]), (2, &b"db;dur=53"[..]));
        let metrics = parse(str::from_utf8(values[1]).expect("a text"));
        let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["place", "thread", "queue", "run"]);
        let name = metrics[1].param("desc").unwrap_or_default();
        assert!(name.starts_with(thread), "{name}");
        let timed = [&metrics[0], &metrics[2], &metrics[3]].map(Metric::shown);
        assert_eq!(timed.each_ref().map(|(line, _)| line.as_str()), lines);
        let [place, queue, run] = timed.map(|(_, duration)| duration);
        // In a virtual machine the clock of a thread may stand still for a moment, so it may have taken no time.
        assert!(place == 0.0 && queue >= 0.0 && run >= 0.0, "{metrics:?}");
        for timed in &metrics[2..] {
            assert!(timed.param("dur").is_some(), "{timed:?}");
        }
        // A duration that stood there without saying anything would be shown as one.
        for untimed in &metrics[..2] {
            assert_eq!(untimed.param("dur"), None, "{untimed:?}");
        }
    }
}

#[test]
fn the_reader_is_strict() {
    let one = |value| parse(value).remove(0).param("desc").map(str::to_owned);
    assert_eq!(one(r#"a ; desc = "x\"y" ;dur=1"#).as_deref(), Some("x\"y"));
    for wrong in [
        "",
        "a,",
        "a;",
        "a;desc=",
        "a;desc=two words",
        "a;desc=\"open",
        "a b",
    ] {
        let parsed = std::panic::catch_unwind(|| parse(wrong));
        assert!(parsed.is_err(), "{wrong:?} was read as {parsed:?}");
    }
}
