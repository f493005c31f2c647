//! The questions, good and bad.

/// A request as it is sent.
#[derive(Debug)]
pub(crate) struct Question {
    /// What is told when its answers differ.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Whether it is answered before its body was read, or without.
    pub(crate) unread: bool,
    /// Whether the client ends in its midst.
    pub(crate) cut: bool,
}

impl Question {
    fn unread(self) -> Self {
        Self {
            unread: true,
            ..self
        }
    }
}

const JSON: &[&str] = &["Content-Type: application/json"];

pub(crate) fn question(method: &str, target: &str, headers: &[&str], body: &[u8]) -> Question {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
    for header in headers {
        head += &format!("{header}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    let text = String::from_utf8_lossy(body);
    Question {
        name: format!("{method} {target} {headers:?} {text:.60}"),
        bytes: [head.as_bytes(), body].concat(),
        unread: false,
        cut: false,
    }
}

fn chunked(target: &str, headers: &[&str], chunks: &[&[u8]]) -> Question {
    let headers = [headers, &["Transfer-Encoding: chunked"]].concat();
    let mut question = question("POST", target, &headers, b"");
    for chunk in chunks {
        let size = format!("{:x}\r\n", chunk.len());
        question
            .bytes
            .extend([size.as_bytes(), chunk, b"\r\n"].concat());
    }
    question.bytes.extend(b"0\r\n\r\n");
    question
}

/// Every route, every way to ask it wrongly, and how connections end.
pub(crate) fn all() -> Vec<Question> {
    let mut all = Vec::new();
    queries(&mut all);
    bodies(&mut all);
    limits(&mut all);
    methods(&mut all);
    connections(&mut all);
    cuts(&mut all);
    all
}

fn queries(all: &mut Vec<Question>) {
    for way in ["", "/inline", "/block"] {
        for target in [
            "/timer?ms=1",
            "/timer?ms=0&unknown=field",
            "/timer?ms=60001",
            "/timer?ms=-1",
            "/timer?ms=soon",
            "/timer?ms=",
            "/timer?ms",
            "/timer?ms=1.5",
            "/timer?ms=%00",
            "/timer?ms=%C3%A4",
            "/timer?ms=%ff",
            "/timer?ms=a+b%2",
            "/timer?ms=1&ms=2",
            "/burn?ms=2",
            "/burn?ms=NaN",
            "/burn?ms=1000000000000",
            "/json/stringify?items=0",
            "/json/stringify?items=500",
            "/json/stringify?items=-5",
            "/json/stringify?items=5000001",
            "/sort?n=1000&seed=7",
            "/sort?n=0",
            "/sort?n=many",
            "/sort?n=10&seed=-1",
            "/sort?n=10&seed=18446744073709551616",
            "/sort?n=1&n=2",
            "/sort?seed=1&seed=2&n=x",
        ] {
            all.push(question("GET", &format!("{way}{target}"), &[], b""));
        }
    }
}

fn bodies(all: &mut Vec<Question>) {
    let deep = "[".repeat(200);
    let long = format!(r#"{{"password": "{}"}}"#, "x".repeat(1025));
    let end = "c29tZXNhbHRzb21lc2FsdA$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A";
    let verify = |phc: &str| format!(r#"{{"password": "x", "phc": "{phc}"}}"#);
    let greedy = verify(&format!("$argon2id$v=19$m=4194304,t=1,p=1${end}"));
    let cheap = verify(&format!("$argon2id$v=19$m=1024,t=1,p=1${end}"));
    let other = verify(&format!("$pbkdf2$i=1${end}"));
    let plain = verify("plain text");
    for (target, body) in [
        ("/json/parse", "null"),
        ("/json/parse", r#"{"a": [1, 2, {"b": "c"}]}"#),
        ("/json/parse", ""),
        ("/json/parse", "{\n  \"a\": }"),
        ("/json/parse", "[1] [2]"),
        ("/json/parse", &deep),
        ("/sort", "[]"),
        (
            "/sort",
            "[2.5,-1,18446744073709551615,-9223372036854775808,0.1,1e300]",
        ),
        ("/sort", ""),
        ("/sort", "[1, 2"),
        ("/sort", "[1, 2, \"x\"]"),
        ("/sort", "{\"n\": 1}"),
        ("/hash", "{\"password\": \"x\"}"),
        ("/hash", "{\"password\": \"x\""),
        ("/hash", "\"x\""),
        ("/hash", "{}"),
        ("/hash", "{\"password\": 5}"),
        ("/hash", "{\"password\": \"a\", \"password\": \"b\"}"),
        ("/hash", &long),
        ("/inline/hash", "{\"password\": \"x\"}"),
        ("/inline/hash", "{}"),
        ("/block/hash", "{\"password\": \"x\"}"),
        ("/block/hash", &long),
        ("/verify", &cheap),
        ("/verify", "{\"phc\": \"x\"}"),
        ("/verify", "{\"password\": \"x\"}"),
        ("/verify", &plain),
        ("/verify", &other),
        ("/verify", &greedy),
        ("/digest", "abc"),
        ("/digest", ""),
    ] {
        all.push(question("POST", target, JSON, body.as_bytes()));
        all.push(chunked(target, JSON, &[body.as_bytes()]));
    }
    // A chunk of no bytes ends a body, so what is sent after an empty text is another request.
    all.retain(|question| !question.bytes.ends_with(b"\r\n0\r\n\r\n0\r\n\r\n"));
    all.push(question("POST", "/sort", JSON, b"[1, \xff]"));
    for target in ["/json/parse", "/sort", "/hash", "/verify", "/digest"] {
        for said in [
            "Content-Type: application/json; charset=utf-8",
            "Content-Type: application/problem+json",
            "Content-Type: APPLICATION/JSON",
            "Content-Type: text/json",
            "Content-Type: application/json;",
        ] {
            all.push(question("POST", target, &[said], b"[2, 1]"));
        }
    }
    for target in ["/json/parse", "/sort", "/hash", "/block/hash", "/verify"] {
        for said in [
            "X-None: 1",
            "Content-Type: text/plain",
            "Content-Type: json",
            "Content-Type:",
        ] {
            all.push(question("POST", target, &[said], b"[2, 1]").unread());
        }
    }
}

fn limits(all: &mut Vec<Question>) {
    const SMALL: usize = 64 << 10;
    const LARGE: usize = 64 << 20;
    let json = r#"{"password": "x"}"#;
    let fits = format!("{}{json}", " ".repeat(SMALL - json.len()));
    let over = format!(" {fits}");
    let chunk = [b' '; 16 << 10];
    for target in ["/hash", "/inline/hash", "/block/hash", "/verify"] {
        all.push(question("POST", target, JSON, fits.as_bytes()));
        all.push(question("POST", target, JSON, over.as_bytes()).unread());
        all.push(chunked(target, JSON, &[&chunk[..]; 5]).unread());
    }
    for target in ["/json/parse", "/sort"] {
        let length = format!("Content-Length: {}", LARGE + 1);
        all.push(question("POST", target, &[JSON[0], &length], b"").unread());
    }
    let million = vec![b'a'; 1_000_000];
    all.push(question("POST", "/digest", &[], &million));
    let chunks: Vec<&[u8]> = million.chunks(70_001).collect();
    all.push(chunked("/digest", &[], &chunks));
    let numbers = format!("[{}0]", "7,".repeat(199_999));
    all.push(question("POST", "/sort", JSON, numbers.as_bytes()));
    all.push(question("POST", "/json/parse", JSON, numbers.as_bytes()));
}

fn methods(all: &mut Vec<Question>) {
    for target in [
        "/",
        "/timer?ms=0",
        "/burn",
        "/json/stringify?items=1",
        "/json/parse",
        "/sort?n=1",
        "/hash",
        "/verify",
        "/digest",
        "/inline/sort?n=1",
        "/inline/hash",
        "/block/timer?ms=0",
        "/block/hash",
        "/nothing",
        "/timer/",
        "/inline",
        "/inline/digest",
        "/%ff",
        "//",
        "/?a=b",
        "/Timer",
        "/timer%3Fms=0",
        "/./timer?ms=0",
        "//timer?ms=0",
        "http://test/timer?ms=0",
    ] {
        for method in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW", "TRACE",
        ] {
            all.push(question(method, target, &[], b""));
        }
    }
    let unread = b"a body that nobody reads";
    for (method, target) in [
        ("POST", "/"),
        ("PUT", "/sort"),
        ("POST", "/nothing"),
        ("GET", "/timer?ms=0"),
    ] {
        all.push(question(method, target, JSON, unread).unread());
    }
}

fn connections(all: &mut Vec<Question>) {
    for header in [
        "Connection: close",
        "Connection: keep-alive",
        "Accept-Encoding: gzip",
        "X-Request-Timeout: 1",
        "Range: bytes=0-1",
        "If-None-Match: *",
        "Cookie: a=b",
    ] {
        all.push(question("GET", "/", &[header], b""));
        all.push(question("GET", "/nothing", &[header], b""));
    }
    for head in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "POST /digest HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        all.push(Question {
            name: head.to_owned(),
            bytes: head.into(),
            unread: false,
            cut: false,
        });
    }
}

fn cuts(all: &mut Vec<Question>) {
    for target in [
        "/digest",
        "/json/parse",
        "/sort",
        "/hash",
        "/block/hash",
        "/verify",
    ] {
        for rest in [
            "Content-Length: 10\r\n\r\nhalf",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n5\r\nha",
            "Transfer-Encoding: chunked\r\n\r\nno number\r\n",
        ] {
            let head = format!("POST {target} HTTP/1.1\r\nHost: test\r\n{}\r\n", JSON[0]);
            all.push(Question {
                name: format!("{target} {rest}"),
                bytes: format!("{head}{rest}").into(),
                unread: false,
                cut: true,
            });
        }
    }
}
