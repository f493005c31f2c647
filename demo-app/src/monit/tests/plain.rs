//! The monitor as text.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{
    STATE,
    client::{answer, request, serve},
    model, url,
};
use crate::monit::{
    args::ServerUrl,
    client::{Client, FetchError},
    model::Model,
    plain::{End, block, run},
};

/// Runs without a pause between the requests.
fn text(url: ServerUrl, count: Option<u64>, out: &mut impl Write) -> io::Result<End> {
    let client = Client::new(url.clone(), Duration::from_secs(60));
    run(&client, Model::new(url, 0.5), Duration::ZERO, count, out)
}

fn healthy() -> ServerUrl {
    serve(|mut stream| {
        while request(&mut stream).is_some() {
            answer(&mut stream, "200 OK", STATE);
        }
    })
}

#[test]
fn a_block_tells_all() {
    let text = block(&model());
    for said in [
        "14:13:20 UTC\n",
        "http://127.0.0.1:8080  2000 req/s  up 12m37s  pid 4711",
        "STALLED 1.3s GET /inline/timer",
        "830µs GET /metrics",
        "POST /hash",
        "lane job",
        "\n       in demo_app::handlers::timer::busy_wait at demo-app/src/handlers/timer.rs:31\n       in core::future\n",
    ] {
        assert!(text.contains(said), "{said} is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no escape sequences");
    assert!(
        text.lines()
            .all(|line| line.chars().count() <= 140 && line == line.trim_end())
    );
    assert!(text.ends_with('\n'));
}

#[test]
fn a_server_that_is_away_is_one_sentence() {
    let mut model = Model::new(url(), 0.5);
    model.take(Err(FetchError::NotFound), 1.0);
    let text = block(&model);
    assert_eq!(text.lines().count(), 1);
    assert!(
        text.starts_with("server at http://127.0.0.1:8080 has no /_offload/state: "),
        "{text}"
    );
}

#[test]
fn it_ends_after_as_many_blocks_as_it_is_told() {
    let mut out = Vec::new();
    let end = text(healthy(), Some(3), &mut out).expect("it writes");
    assert_eq!(end, End::Done);
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.matches("actix-offload  http://").count(), 3, "{text}");
    // All of them have something to compare with.
    assert!(text.contains("0 req/s") || text.contains(" 0 "), "{text}");
}

#[test]
fn the_last_block_decides_how_it_ended() {
    let url = serve(|mut stream| {
        request(&mut stream);
        answer(&mut stream, "404 Not Found", "");
    });
    let mut out = Vec::new();
    let end = text(url, Some(2), &mut out).expect("it writes");
    assert!(matches!(end, End::Failed(said) if said.contains("--offload off")));
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.matches("trying again").count(), 2, "{text}");
}

/// Reads one block, and leaves.
#[derive(Default)]
struct Head {
    read: Vec<u8>,
}

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.read.is_empty() {
            self.read.extend(bytes);
            Ok(bytes.len())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_left_is_no_error() {
    let mut head = Head::default();
    let end = text(healthy(), None, &mut head).expect("no error");
    assert_eq!(end, End::Done);
    assert!(!head.read.is_empty());
}

#[test]
fn a_full_disk_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = text(healthy(), None, &mut Full).expect_err("nothing can be written");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
