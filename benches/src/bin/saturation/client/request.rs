//! Requests as bytes, made once and sent many times.

use std::{iter, sync::Arc};

/// The bytes of a request.
pub(crate) type Request = Arc<[u8]>;

/// The light route.
pub(crate) fn light() -> Request {
    get("/")
}

/// `GET` of a path with its query.
pub(crate) fn get(path: &str) -> Request {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    Arc::from(head.into_bytes())
}

/// A password to hash.
pub(crate) fn hash() -> Request {
    post("/hash", br#"{"password":"a password of usual length"}"#)
}

/// A JSON body of about `size` bytes to parse and serialise.
pub(crate) fn json(size: usize) -> Request {
    post("/json", records(size).as_bytes())
}

/// The same body, only to parse.
pub(crate) fn parse(size: usize) -> Request {
    post("/json/parse", records(size).as_bytes())
}

/// The same body, to be given back as it is.
pub(crate) fn carry(size: usize) -> Request {
    post("/carry", records(size).as_bytes())
}

fn records(size: usize) -> String {
    let record =
        r#"{"id":12345,"name":"a record","tags":["one","two"],"price":12.5,"active":true}"#;
    let count = size / (record.len() + 1);
    let records: Vec<&str> = iter::repeat_n(record, count).collect();
    format!("[{}]", records.join(","))
}

fn post(path: &str, body: &[u8]) -> Request {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len(),
    );
    [head.as_bytes(), body].concat().into()
}
