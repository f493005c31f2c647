//! The program answers the same on actix and on axum, byte for byte, with its plugin or layer and without.
#![cfg(unix)]
#![forbid(unsafe_code)]

mod demo;
mod requests;

use offload_tests::{
    connection::Connection,
    response::{Asked, Framing, RawResponse},
};

use self::{
    demo::Demo,
    requests::{Question, all, question},
};

/// What is expected to differ: clocks, and what the plugin and the layer measure.
const MEASURED: [&str; 2] = ["date", "server-timing"];

/// An answer as it can be compared, and whether its connection served another request.
#[derive(Debug, PartialEq, Eq)]
struct Compared {
    status_line: String,
    headers: Vec<String>,
    framing: Framing,
    body: String,
    serves_on: bool,
}

impl Compared {
    fn of(answer: &RawResponse, serves_on: bool) -> Self {
        let lines = answer.header_lines.iter();
        let lines = lines.map(|line| String::from_utf8_lossy(line).into_owned());
        let stays = |line: &String| !MEASURED.iter().any(|name| line.starts_with(name));
        let mut headers: Vec<String> = lines.filter(stays).collect();
        headers.sort();
        Self {
            status_line: text(&answer.status_line),
            headers,
            framing: answer.framing.clone(),
            body: text(&answer.body),
            serves_on,
        }
    }

    /// Takes out how the connection goes on: actix says that it ends and ends it, hyper says nothing and ends it unless it has the
    /// whole body already.
    fn of_unread_body(mut self) -> Self {
        self.headers.retain(|line| line != "connection: close");
        self
    }

    /// Takes out what is of one process, one place, one salt or one measurement, and the length that goes with it.
    fn without_chance(mut self) -> Self {
        let chance = [
            "process ",
            "worker ",
            "lane ",
            "{\"burned_ms\":",
            "{\"phc\":",
        ];
        let mut masked = false;
        let line = |line: &str| {
            let of = chance.iter().find(|of| line.starts_with(**of));
            masked |= of.is_some();
            match of {
                Some(&("worker " | "lane ")) => "place".to_owned(),
                Some(of) => (*of).to_owned(),
                None => line.to_owned(),
            }
        };
        self.body = self
            .body
            .split('\n')
            .map(line)
            .collect::<Vec<_>>()
            .join("\n");
        if masked {
            self.framing = Framing::Bodiless;
            self.headers
                .retain(|line| !line.starts_with("content-length"));
        }
        self
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a server answers to a question, and to another one after it.
fn answer(demo: &Demo, question: &Question) -> Result<Compared, String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut connection = Connection::open(demo.addr).map_err(failed)?;
    // Its server may stop to read it.
    let sent = connection.send_in_background(question.bytes.clone());
    sent.map_err(failed)?;
    if question.cut {
        connection.half_close();
    }
    let asked = match question.bytes.starts_with(b"HEAD") {
        true => Asked::HeadOnly,
        false => Asked::Body,
    };
    let answer = connection.read_response_to(asked).map_err(failed)?;
    if question.unread {
        return Ok(Compared::of(&answer, false)
            .of_unread_body()
            .without_chance());
    }
    let sent = connection.send(b"GET /timer?ms=0 HTTP/1.1\r\nHost: test\r\n\r\n");
    let again = sent.and_then(|()| connection.read_response());
    let serves_on = again.is_ok_and(|again| again.body == b"Ding Ding Ding");
    Ok(Compared::of(&answer, serves_on).without_chance())
}

#[test]
fn both_servers_answer_alike_with_offload_and_without() {
    let mut differ = Vec::new();
    for mode in ["off", "auto"] {
        let [actix, axum] = ["actix", "axum"].map(|server| Demo::start(server, mode));
        for question in all() {
            // Twice: with offload the first one of a route is on a lane.
            for _ in 0..2 {
                let [one, other] = [&actix, &axum].map(|demo| answer(demo, &question));
                // To end without an answer is as good a reply to a client that breaks off.
                let hung_up = question.cut && (one.is_err() || other.is_err());
                if one != other && !hung_up {
                    differ.push(format!("{mode} {}\n{one:#?}\n{other:#?}", question.name));
                }
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
}

#[test]
fn axum_alone_takes_an_encoded_letter_of_a_path_for_another_path() {
    let [actix, axum] = ["actix", "axum"].map(|server| Demo::start(server, "off"));
    let encoded = question("GET", "/%74imer?ms=0", &[], b"");
    let [one, other] = [&actix, &axum].map(|demo| answer(demo, &encoded).expect("an answer"));
    assert_eq!(one.status_line, "HTTP/1.1 200 OK");
    assert_eq!(other.status_line, "HTTP/1.1 404 Not Found");
}
