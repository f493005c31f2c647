//! Each kind of call comes to the same end with the layer as without: messages, metadata, status and trailers.

use futures_channel::mpsc;
use offload_core::placement::Rules;
use tonic::{
    Request, Response, Status, Streaming,
    metadata::{KeyAndValueRef, MetadataMap, MetadataValue},
};
use tower_offload::{Mode, Placement};

use crate::{
    client::{Client, any, messages},
    codec::Message,
    server::{Served, rules, single, with},
};

/// So often is everything asked, so that what was learned by the first answers is in force for the next.
const ROUNDS: usize = 3;

const ASKED: [(&str, &[&[u8]]); 18] = [
    ("Echo", &[b"hello"]),
    ("Echo", &[b""]),
    ("Echo", &[]),
    ("Echo", &[&[7; 1 << 20]]),
    ("Echo", &[&[7; 5 << 20]]), // More than tonic takes.
    ("Sum", &[b"abc"]),
    ("Fail", &[b"soon"]),
    ("Fail", &[b"late"]),
    ("Count", &[b"\0"]),
    ("Count", &[b"\x14"]),
    ("Count", &[b"\x01!"]),
    ("Grind", &[b"\x02"]),
    ("Grind", &[b"\x01!"]),
    ("Join", &[b"a", b"", b"bc", &[8; 1 << 18]]),
    ("Hash", &[b"a", b"b", b"c"]),
    ("Hash", &[b"a", b"!"]),
    ("NoSuchMethod", &[b"x"]),
    ("/no.Such/Service", &[b"x"]),
];

#[derive(Debug, PartialEq)]
struct Ended {
    metadata: Vec<String>,
    messages: Vec<Message>,
    end: Result<Vec<String>, Failed>,
}

#[derive(Debug, PartialEq)]
struct Failed {
    code: tonic::Code,
    message: String,
    details: Vec<u8>,
    metadata: Vec<String>,
}

/// In order, but for what no two answers have in common.
fn plain(metadata: &MetadataMap) -> Vec<String> {
    let named = metadata.iter().map(|entry| match entry {
        KeyAndValueRef::Ascii(key, value) => format!("{key}: {value:?}"),
        KeyAndValueRef::Binary(key, value) => format!("{key}: {value:?}"),
    });
    let mut all: Vec<_> = named.filter(|line| !line.starts_with("date:")).collect();
    all.sort();
    all
}

fn failed(status: &Status) -> Failed {
    Failed {
        code: status.code(),
        message: status.message().to_owned(),
        details: status.details().to_vec(),
        metadata: plain(status.metadata()),
    }
}

async fn read(answered: Result<Response<Streaming<Message>>, Status>) -> Ended {
    let mut ended = Ended {
        metadata: Vec::new(),
        messages: Vec::new(),
        end: Ok(Vec::new()),
    };
    let response = match answered {
        Ok(response) => response,
        Err(status) => {
            ended.end = Err(failed(&status));
            return ended;
        }
    };
    ended.metadata = plain(response.metadata());
    let mut messages = response.into_inner();
    let end = loop {
        match messages.message().await {
            Ok(Some(message)) => ended.messages.push(message),
            Ok(None) => break messages.trailers().await,
            Err(status) => break Err(status),
        }
    };
    ended.end = match end {
        Ok(trailers) => Ok(trailers.as_ref().map(plain).unwrap_or_default()),
        Err(status) => Err(failed(&status)),
    };
    ended
}

fn with_metadata<T>(content: T) -> Request<T> {
    let mut request = Request::new(content);
    let metadata = request.metadata_mut();
    metadata.insert("x-ask", "one".parse().expect("plain"));
    metadata.insert_bin("x-ask-bin", MetadataValue::from_bytes(b"\x00\xfe"));
    request
}

/// A conversation, in which each side waits for the other one.
async fn converse(client: &Client, method: &str, lines: &[&[u8]]) -> Ended {
    let (say, said) = mpsc::unbounded();
    let answered = any(client.channel.clone(), method, with_metadata(said)).await;
    let mut ended = Ended {
        metadata: Vec::new(),
        messages: Vec::new(),
        end: Ok(Vec::new()),
    };
    let response = match answered {
        Ok(response) => response,
        refused => return read(refused).await,
    };
    ended.metadata = plain(response.metadata());
    let mut answers = response.into_inner();
    for line in lines {
        say.unbounded_send(line.to_vec()).expect("it listens");
        match answers.message().await {
            Ok(message) => ended.messages.extend(message),
            Err(status) => {
                ended.end = Err(failed(&status));
                return ended;
            }
        }
    }
    drop(say);
    let end = read(Ok(Response::new(answers))).await;
    ended.messages.extend(end.messages);
    ended.end = end.end;
    ended
}

fn ask_everything(client: &Client) -> Vec<(String, Ended)> {
    let mut all = Vec::new();
    for (method, lines) in ASKED {
        let sent = messages(lines.iter().map(|line| line.to_vec()).collect());
        let asked = any(client.channel.clone(), method, with_metadata(sent));
        let ended = client.wait(async { read(asked.await).await });
        let first = lines.first().map(|line| &line[..line.len().min(8)]);
        all.push((format!("{method} {first:?}"), ended));
    }
    for method in ["Talk", "Chew"] {
        for lines in [&[b"ab", b"cd", b"ef"], &[b"ab", b"!x", b"ef"]] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_slice()).collect();
            let ended = client.wait(converse(client, method, &lines));
            all.push((format!("{method} {:?}", lines[1]), ended));
        }
    }
    all
}

fn is_as_bare(mode: Mode, rules: Rules) {
    let bare = Served::bare();
    let expected = ask_everything(&Client::new(bare.addr));
    let offload = with(single()).mode(mode).rules(|all| *all = rules).build();
    let offload = offload.expect("settings");
    let served = Served::under(&offload);
    let client = Client::new(served.addr);
    for round in 0..ROUNDS {
        for (bare, layered) in expected.iter().zip(ask_everything(&client)) {
            assert!(
                *bare == layered,
                "{mode}, {round}: {}",
                difference(bare, &layered)
            );
        }
    }
}

/// Messages may be of megabytes.
fn difference(bare: &(String, Ended), layered: &(String, Ended)) -> String {
    let short = |ended: &Ended| {
        let sizes: Vec<_> = ended.messages.iter().map(Vec::len).collect();
        format!("{:?} {sizes:?} {:?}", ended.metadata, ended.end)
    };
    format!(
        "{}\n bare: {}\nlayer: {}",
        bare.0,
        short(&bare.1),
        short(&layered.1)
    )
}

#[test]
fn on_lanes() {
    is_as_bare(Mode::Lane, rules());
}

#[test]
fn learned_from_a_lane() {
    is_as_bare(Mode::Auto, rules());
}

#[test]
fn learned_from_a_worker() {
    let unknown = Placement::Loop;
    is_as_bare(Mode::Auto, Rules { unknown, ..rules() });
}

#[test]
fn on_workers() {
    is_as_bare(Mode::Loop, rules());
}

#[test]
fn off() {
    is_as_bare(Mode::Off, rules());
}
