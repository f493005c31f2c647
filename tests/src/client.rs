//! The short way to ask: one request on a connection of its own, and its answer.

use std::{io, net::SocketAddr};

use crate::{
    connection::Connection,
    response::{Asked, RawResponse},
};

/// Asks one server.
///
/// # Examples
///
/// ```
/// use actix_web::{App, web};
/// use offload_tests::{client::Client, server::TestServer};
///
/// let app = || App::new().route("/", web::get().to(|| async { "hello" }));
/// let server = TestServer::start(app);
/// assert_eq!(Client::new(server.addr()).get("/")?.body, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Client {
    addr: SocketAddr,
}

impl Client {
    /// A client of the server at `addr`.
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }

    /// Asks for `target`, which is a path and maybe a query.
    ///
    /// # Errors
    ///
    /// If there is no answer: see [`Connection::read_response`].
    pub fn get(&self, target: &str) -> io::Result<RawResponse> {
        self.ask("GET", target, &[], b"")
    }

    /// Sends a JSON text.
    ///
    /// # Errors
    ///
    /// See [`Client::get`].
    pub fn post_json(&self, target: &str, json: &str) -> io::Result<RawResponse> {
        let json_type = ["Content-Type: application/json"];
        self.ask("POST", target, &json_type, json.as_bytes())
    }

    /// Sends any request. `headers` are whole lines without line ends; `Host` and the length of a
    /// body that is not empty are added. Interim responses are skipped.
    ///
    /// # Errors
    ///
    /// See [`Client::get`].
    pub fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &[u8],
    ) -> io::Result<RawResponse> {
        let mut request = head(method, target, headers);
        if !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.send(method, bytes)
    }

    /// Sends a request whose body comes in chunks of these bytes.
    ///
    /// # Errors
    ///
    /// See [`Client::get`].
    pub fn ask_in_chunks(
        &self,
        method: &str,
        target: &str,
        headers: &[&str],
        chunks: &[&[u8]],
    ) -> io::Result<RawResponse> {
        let mut bytes = head(method, target, headers).into_bytes();
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        self.send(method, bytes)
    }

    fn send(&self, method: &str, bytes: Vec<u8>) -> io::Result<RawResponse> {
        let asked = if method == "HEAD" {
            Asked::HeadOnly
        } else {
            Asked::Body
        };
        let mut connection = Connection::open(self.addr)?;
        // A server may answer, and stop to listen, before it has all of a body.
        connection.send_in_background(bytes)?;
        loop {
            let response = connection.read_response_to(asked)?;
            if !response.is_interim() {
                return Ok(response);
            }
        }
    }
}

fn head(method: &str, target: &str, headers: &[&str]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head
}
