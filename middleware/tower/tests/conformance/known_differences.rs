//! What the layer does not keep, with the reasons, each asserted so that it stays true.

use tower_offload::Mode;

use crate::{
    cases::unread,
    compare::{MODES, difference},
    script::{self, Step},
    server::{Runtime, Server},
};

fn ask(path: &str, server: &Server) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let script = [Step::Send(request.into()), Step::Answer(Default::default())];
    String::from_utf8(script::run(&script, server).unwrap()).unwrap()
}

/// A panic has to be contained on a lane, and a lost reply helps nobody. On a worker it is no other.
#[test]
fn a_panic_is_a_500_where_the_bare_app_cuts_the_connection() {
    const ANSWER: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\
        date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nHTTP/1.1 200 OK\r\n";
    for path in ["/panics", "/panics-late"] {
        let bare = ask(path, &Server::start(None, Runtime::TwoWorkers));
        assert_eq!(bare, "");
        for mode in MODES {
            let server = Server::start(Some(mode), Runtime::TwoWorkers);
            for _ in 0..3 {
                let came = ask(path, &server);
                match mode {
                    Mode::Off => assert_eq!(came, bare, "{path}: switched off it is bare"),
                    // The connection lives on.
                    _ => assert!(came.starts_with(ANSWER), "{path} ({mode}):\n{came}"),
                }
            }
        }
    }
}

/// A handler that does not read its upload drops it on its lane, and then answers. hyper may see the one before the other, and
/// then already says that it will end the connection, which it does in any case. So it is without the layer, too, for handlers that await
/// anything in between.
#[test]
fn who_leaves_an_upload_unread_may_be_told_that_the_connection_ends() {
    const CLOSE: &[u8] = b"connection: close\r\n";
    let scripts = unread();
    let bare = Server::start(None, Runtime::TwoWorkers);
    let expected = scripts.iter().map(|script| {
        let came = script::run(&script.steps, &bare).unwrap();
        assert!(
            String::from_utf8_lossy(&came).contains(script.says),
            "{}",
            script.name
        );
        came
    });
    let expected: Vec<_> = expected.collect();
    for mode in MODES {
        let server = Server::start(Some(mode), Runtime::TwoWorkers);
        for (script, expected) in scripts.iter().zip(&expected).cycle().take(40) {
            let came = script::run(&script.steps, &server).unwrap();
            let mut same = came == *expected;
            if matches!(mode, Mode::Lane | Mode::Auto) {
                same |= without(&came, CLOSE) == *expected;
            }
            assert!(
                same,
                "{} ({mode}):\n{}",
                script.name,
                difference(expected, &came)
            );
        }
    }
}

fn without(bytes: &[u8], line: &[u8]) -> Vec<u8> {
    let at = bytes.windows(line.len()).position(|window| window == line);
    at.map_or_else(
        || bytes.to_vec(),
        |at| [&bytes[..at], &bytes[at + line.len()..]].concat(),
    )
}
