//! Bodies that are too long, just short enough, or never whole.

use offload_tests::connection::Connection;

use super::{in_both_modes, parse, text};

const SMALL: usize = 64 << 10;
const LARGE: usize = 64 << 20;

#[test]
fn a_body_that_announces_too_much_is_refused_at_once() {
    in_both_modes(|demo| {
        for (target, limit) in [
            ("/json/parse", LARGE),
            ("/sort", LARGE),
            ("/hash", SMALL),
            ("/inline/hash", SMALL),
            ("/block/hash", SMALL),
            ("/verify", SMALL),
        ] {
            let mut connection = Connection::open(demo.server.addr()).expect("a connection");
            let head = format!(
                "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n",
                limit + 1
            );
            connection.send(head.as_bytes()).expect("the head is taken");
            let answer = connection.read_response().expect("an answer");
            assert_eq!(answer.status(), 413, "{demo} {target}: {}", text(&answer));
            assert_eq!(parse(&answer)["error"]["field"], "body", "{demo} {target}");
        }
    });
}

#[test]
fn a_body_that_grows_too_long_is_refused() {
    in_both_modes(|demo| {
        let chunk = [b' '; 16 << 10];
        let chunks = [&chunk[..]; 5];
        for target in ["/hash", "/verify"] {
            let answer = demo
                .client()
                .ask_in_chunks("POST", target, &["Content-Type: application/json"], &chunks)
                .expect("an answer");
            assert_eq!(answer.status(), 413, "{demo} {target}: {}", text(&answer));
            assert_eq!(parse(&answer)["error"]["field"], "body", "{demo} {target}");
        }
    });
}

#[test]
fn a_body_of_exactly_the_limit_is_taken() {
    in_both_modes(|demo| {
        let json = r#"{"password": "x"}"#;
        let padded = format!("{}{json}", " ".repeat(SMALL - json.len()));
        let answer = demo.post_json("/hash", &padded);
        assert!(answer["phc"].is_string(), "{demo} {answer}");
    });
}

#[test]
fn an_upload_that_is_cut_is_never_digested() {
    let cuts = [
        "Content-Length: 10\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n5\r\nha",
        "Transfer-Encoding: chunked\r\n\r\nno number\r\n",
    ];
    in_both_modes(|demo| {
        for cut in cuts {
            let mut connection = Connection::open(demo.server.addr()).expect("a connection");
            let request = format!("POST /digest HTTP/1.1\r\nHost: test\r\n{cut}");
            connection.send(request.as_bytes()).expect("a half request");
            connection.half_close();
            // An end without an answer is as good as an error.
            let rest = connection.read_to_end().expect("the connection ends");
            let answer = String::from_utf8_lossy(&rest);
            assert!(
                rest.is_empty() || answer.starts_with("HTTP/1.1 4"),
                "{demo} {cut:?}: {answer}"
            );
        }
    });
}

#[test]
fn what_is_no_http_harms_nobody() {
    in_both_modes(|demo| {
        for garbage in ["\0\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET\r\n\r\n"] {
            let mut connection = Connection::open(demo.server.addr()).expect("a connection");
            connection.send(garbage.as_bytes()).expect("some bytes");
            connection.half_close();
            let answer = connection.read_to_end().expect("the connection ends");
            assert!(
                !answer.starts_with(b"HTTP/1.1 200"),
                "{demo} {garbage:?}: {}",
                String::from_utf8_lossy(&answer)
            );
            demo.assert_up();
        }
    });
}
