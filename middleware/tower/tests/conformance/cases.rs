//! All that is asked: plain exchanges, and scripts in which the client's timing or its bytes matter.

use crate::{
    exchange::Exchange,
    script::Step::{self, Answer, End, Finish, Open, Send, Until},
};

const JSON: &[&str] = &["Content-Type: application/json"];
const FORM: &[&str] = &["Content-Type: application/x-www-form-urlencoded"];
const MULTIPART: &[&str] = &["Content-Type: multipart/form-data; boundary=edge"];
const PARTS: &str = "--edge\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n\
    --edge\r\nContent-Disposition: form-data; name=\"b\"; filename=\"f.bin\"\r\n\r\n\0\u{1}\u{2}\r\n--edge--\r\n";

/// A request, the status of its answer and something that the answer contains.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static str,
    u16,
    &'static str,
);

#[rustfmt::skip]
const EXCHANGES: &[Row] = &[
    ("GET /light", &[], "", 200, "light"),
    ("HEAD /light", &[], "", 200, "content-length: 5"),
    ("OPTIONS /light", &[], "", 405, "GET,HEAD"),
    ("POST /json", JSON, r#"{"b":[1,2.5],"a":null}"#, 200, r#"{"a":null,"b":[1,2.5]}"#),
    ("POST /json", JSON, r#"{"b":"#, 400, "EOF"),
    ("POST /json", &[], r#"{"b":1}"#, 415, "Content-Type"),
    ("GET /argon2/secret", &[], "", 200, "["),
    ("GET /path/n%C3%A4me/200?q=a%20b", &["X-Asked: 1", "X-Asked: 2"], "", 200, r#"näme 200 {"q": "a b"} ["1", "2"]"#),
    ("GET /path/name/300", &[], "", 400, "u8"),
    ("POST /form", FORM, "key=a+b%21", 200, r#"{"key": "a b!"}"#),
    ("POST /form", JSON, "key=a", 415, "Form"),
    ("GET /empty-stream", &[], "", 200, ""),
    ("GET /late-end", &[], "", 200, ""),
    ("GET /sized/6", &[], "", 200, "onetwo"),
    ("HEAD /sized/6", &[], "", 200, "content-length: 6"),
    ("HEAD /turns/0/0", &[], "", 200, ""),
    ("BREW /light", &[], "", 405, "GET,HEAD"),
    ("GET /trailers", &["TE: trailers"], "", 200, "x-sum: 3"),
    ("GET /trailers", &[], "", 200, "data"),
    ("GET /sse", &[], "", 200, "data: lines"),
    ("GET /ws", &[], "", 400, "Connection"),
    ("POST /multipart", MULTIPART, PARTS, 200, r#"Some("b") Some("f.bin") 3"#),
    ("POST /multipart", MULTIPART, "--edge\r\nContent-Disp", 400, ""),
    ("GET /nested/here", &[], "", 200, "nested"),
    ("POST /nested/here", &[], "x", 200, "to"),
    ("DELETE /nested/here", &[], "", 405, "allow: GET,HEAD,POST"),
    ("GET /nested/nowhere", &[], "", 404, "none is nested"),
    ("GET /nowhere", &[], "", 404, "there is none"),
    ("POST /nowhere", &[], "with a body", 404, "there is none"),
    ("GET /redirect", &[], "", 307, "location: /light?from=here"),
    ("GET /cookies", &[], "", 200, "set-cookie: b=2; HttpOnly"),
    ("GET /refused", &[], "", 409, "x-why: a"),
    ("GET /large", &[], "", 200, "xxx"),
    ("HEAD /large", &[], "", 200, "content-length: 5242880"),
    ("GET /empty", &[], "", 204, ""),
    ("GET /unchanged", &["If-None-Match: \"tag\""], "", 304, "etag: \"tag\""),
    ("POST /echo", &[], "as it was", 200, "as it was"),
    ("POST /echo", &[], "", 200, ""),
    ("POST /unread", &[], "a body that no one reads", 200, "unread"),
    ("GET /runtime", &[], "", 200, "false true 1 2 3 [104, 101, 108, 108, 111]"),
    ("GET /turns/0/0", &[], "", 200, "<3>"),
    ("GET /turns/2/1", &[], "", 200, "<3>"),
];

pub(crate) fn exchanges() -> Vec<Exchange> {
    let of_row = |&(line, headers, body, status, says): &Row| Exchange {
        line,
        headers,
        body: body.into(),
        status,
        says,
    };
    let sized = |line, bytes, status, says| Exchange {
        line,
        headers: &[],
        body: vec![b'x'; bytes],
        status,
        says,
    };
    let limits = [
        sized("POST /limited", 1024, 200, "content-length: 1024"),
        sized("POST /limited", 1025, 413, "length limit"),
        sized("POST /length", 1_000_000, 200, "1000000"),
    ];
    EXCHANGES.iter().map(of_row).chain(limits).collect()
}

/// A script, and what the bare app's bytes contain.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
    pub(crate) says: &'static str,
}

#[rustfmt::skip]
const UNREAD: &[(&str, &str, &str)] = &[
    ("an upload that nobody reads", "POST /unread HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n", "unread"),
    ("a welcome that nobody waits for", "POST /unread HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", "unread"),
    ("an upload with no route", "PUT /nowhere HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n", "there is none"),
];

/// Those of which a part of the upload is never read, so that the server ends the connection.
pub(crate) fn unread() -> Vec<Script> {
    let declared = "POST /limited HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n";
    let too_much = Script {
        name: "an upload that is too much",
        steps: vec![send(declared), send(&"x".repeat(2_000)), End],
        says: "413 Payload Too Large",
    };
    let script = |&(name, request, says)| Script {
        name,
        steps: vec![send(request), End],
        says,
    };
    UNREAD.iter().map(script).chain([too_much]).collect()
}

#[rustfmt::skip]
pub(crate) fn scripts() -> Vec<Script> {
    let script = |name, steps: &[Step], says| Script { name, steps: steps.into(), says };
    vec![
        script("pieces that wait for the client",
            &[send("GET /paced HTTP/1.1\r\nHost: test\r\n\r\n"), until("<0>"), Open, until("<1>"), Open, until(CHUNKS_END)],
            "3\r\n<0>\r\n3\r\n<1>\r\n3\r\n<2>\r\n0\r\n\r\n"),
        script("a body that breaks",
            &[send("GET /broken HTTP/1.1\r\nHost: test\r\n\r\n"), until("<0>"), Open, End], "3\r\n<0>\r\n"),
        script("a body that panics",
            &[send("GET /panics-in-body HTTP/1.1\r\nHost: test\r\n\r\n"), until("<0>"), Open, End], "3\r\n<0>\r\n"),
        script("an upload in chunks",
            &[send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"), send("3\r\n<a>\r\n"), until("<a>"),
                send("3\r\n<b>\r\n"), until("<b>"), send(CHUNKS_END), until(CHUNKS_END)],
            "3\r\n<a>\r\n3\r\n<b>\r\n0\r\n\r\n"),
        script("chunks and trailers are read at once",
            &[send("POST /limited HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nx: y\r\n\r\n"), ANSWER],
            "content-length: 3\r\n"),
        script("chunks that are none",
            &[send("POST /limited HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), ANSWER], "400 Bad Request"),
        script("an upload that was not expected to be welcome",
            &[send("POST /limited HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"), until("100 Continue\r\n\r\n"),
                send("late"), until("late")],
            "HTTP/1.1 200 OK\r\n"),
        script("a client that goes before its upload is complete",
            &[send("POST /limited HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nConnection: close\r\n\r\nxy"), Finish, ANSWER], ""),
        script("a body that breaks at once", &[send("GET /fails HTTP/1.1\r\nHost: test\r\n\r\n"), End], ""),
        script("a body that is too short", &[send("GET /sized/9 HTTP/1.1\r\nHost: test\r\n\r\n"), End], ""),
        script("a body that is too long", &[send("GET /sized/4 HTTP/1.1\r\nHost: test\r\n\r\n"), ANSWER], "onet"),
        script("a handler that ends the connection", &[send("GET /closes HTTP/1.1\r\nHost: test\r\n\r\n"), End], "connection: close\r\n"),
        script("another server's name", &[send("GET http://other/light HTTP/1.1\r\nHost: test\r\n\r\n"), ANSWER], "light"),
        script("no target", &[send("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n"), ANSWER], "HTTP/1.1 4"),
        script("the old protocol with the new's connection", &[send("GET /light HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), ANSWER], "connection: keep-alive"),
        script("the old protocol", &[send("GET /light HTTP/1.0\r\n\r\n"), ANSWER], "HTTP/1.0 200 OK\r\n"),
        script("a stream in the old protocol", &[send("GET /turns/0/0 HTTP/1.0\r\n\r\n"), ANSWER], "<0><1><2><3>"),
        script("several requests at once",
            &[send("GET /runtime HTTP/1.1\r\nHost: test\r\n\r\nHEAD /large HTTP/1.1\r\nHost: test\r\n\r\nGET /cookies HTTP/1.1\r\nHost: test\r\n\r\n"), until("a=3")],
            "set-cookie: a=1"),
        script("a WebSocket",
            &[send("GET /ws HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), until("\r\n\r\n"),
                Send(frame(0x81, b"text")), until("text"), Send(frame(0x89, b"ping")), until("ping"),
                Send([frame(0x02, b"in "), frame(0x80, b"two")].concat()), until("in two"), Send(frame(0x88, &[3, 232])), End],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]
}

const ANSWER: Step = Answer(offload_tests::response::Asked::Body);
const CHUNKS_END: &str = "0\r\n\r\n";

fn send(text: &str) -> Step {
    Send(text.into())
}

fn until(mark: &str) -> Step {
    Until(mark.into())
}

/// A frame of a WebSocket's client, with a mask that changes nothing.
fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
    let length = 0x80 | u8::try_from(data.len()).unwrap();
    [&[kind, length, 0, 0, 0, 0], data].concat()
}
