//! What is no good HTTP is refused by the server itself, and must be so under the plugin too.

use super::super::{app, case::Case, compare::compare, request::Request};

fn bad(name: &str, bytes: impl Into<Vec<u8>>) -> Case {
    Case::new(name).send(bytes).response()
}

fn cases() -> Vec<Case> {
    let host = "Host: conformance.test\r\n";
    let good = String::from_utf8(Request::get("/connection/say/good").bytes()).expect("text");
    vec![
        bad("no http at all", "hello there\r\n\r\n").status(400),
        bad("no version", format!("GET /\r\n{host}\r\n")),
        bad(
            "an unknown version",
            format!("GET / HTTP/3.7\r\n{host}\r\n"),
        ),
        bad("a bad method", format!("G@T / HTTP/1.1\r\n{host}\r\n")),
        bad(
            "a space in the target",
            format!("GET /a b HTTP/1.1\r\n{host}\r\n"),
        ),
        bad("a header without colon", "GET / HTTP/1.1\r\nHost\r\n\r\n"),
        bad(
            "a zero byte in a header",
            "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        ),
        bad(
            "two hosts",
            format!("GET /probe HTTP/1.1\r\n{host}{host}\r\n"),
        ),
        bad(
            "a bad length",
            format!("POST / HTTP/1.1\r\n{host}Content-Length: x\r\n\r\n"),
        ),
        bad(
            "a signed length",
            format!("POST / HTTP/1.1\r\n{host}Content-Length: +1\r\n\r\nx"),
        ),
        bad(
            "two lengths",
            format!(
                "POST /connection/echo HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"
            ),
        ),
        bad(
            "a length and chunks",
            format!(
                "POST /connection/echo HTTP/1.1\r\n{host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        bad(
            "an unknown transfer encoding",
            format!("POST /connection/echo HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n"),
        ),
        bad(
            "chunks in HTTP/1.0",
            format!(
                "POST /connection/echo HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        bad(
            "bare line feeds",
            "GET /probe HTTP/1.1\nHost: conformance.test\n\n",
        ),
        bad(
            "too many headers",
            format!(
                "GET / HTTP/1.1\r\n{host}{}\r\n",
                "X-Again: 1\r\n".repeat(200)
            ),
        ),
        bad(
            "a head without end",
            format!("GET / HTTP/1.1\r\n{host}X-Long: {}", "x".repeat(200_000)),
        )
        .status(431),
        bad(
            "nonsense behind a good request",
            format!("{good}nonsense\r\n\r\n"),
        )
        .response()
        .says("HTTP/1.1 400 "),
        bad(
            "http2 to a server of http1",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ),
        bad(
            "an authority as target",
            "CONNECT conformance.test:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        Case::new("nothing at all").half_close(),
        Case::new("half a head")
            .send(format!("GET / HTTP/1.1\r\n{host}"))
            .half_close(),
    ]
}

#[test]
fn malformed_requests_are_refused_the_same() {
    compare(app::plain, &cases());
}
