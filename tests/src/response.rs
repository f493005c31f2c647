//! A strict reader of raw HTTP/1 responses, which keeps what it read as it came.

use std::io::{self, BufRead, Read};

/// A response head that is longer than this is a fault.
const MAX_HEAD: usize = 64 * 1024;

/// Whether a response may carry a body, which its own head does not always tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// By any method but `HEAD`.
    #[default]
    Body,
    /// By `HEAD`: whatever length the response declares, no body follows.
    HeadOnly,
}

/// How the end of a response body was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body by definition: an answer to `HEAD`, 1xx, 204, 304.
    Bodiless,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`, with the raw lines of its trailers.
    Chunked {
        /// Trailer lines without their line ends.
        trailers: Vec<Vec<u8>>,
    },
    /// The end of the connection.
    UntilClose,
}

/// Whether a body came to its declared end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// It did.
    Complete,
    /// The connection ended before.
    Cut,
}

/// One response, its lines as they were received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    /// The status line without its line end.
    pub status_line: Vec<u8>,
    /// The header lines in their order, without their line ends.
    pub header_lines: Vec<Vec<u8>>,
    /// How the body's end was said.
    pub framing: Framing,
    /// The body; of a chunked one the contents of its chunks.
    pub body: Vec<u8>,
    /// Whether all of the body came.
    pub completeness: Completeness,
}

impl RawResponse {
    /// Reads one response.
    ///
    /// A body that the connection's end cuts short is not an error but a [`Completeness::Cut`].
    ///
    /// # Errors
    ///
    /// `InvalidData` for what is not HTTP/1, `UnexpectedEof` if the connection ends within the head
    /// or before it, and whatever reading fails with.
    pub fn read(reader: &mut impl BufRead, asked: Asked) -> io::Result<Self> {
        let status_line = read_line(reader)?;
        let status = parse_status(&status_line)?;
        let header_lines = read_header_lines(reader)?;
        let mut response = Self {
            status_line,
            header_lines,
            framing: Framing::Bodiless,
            body: Vec::new(),
            completeness: Completeness::Complete,
        };
        response.framing = response.declared_framing(status, asked)?;
        match response.framing {
            Framing::Bodiless => {}
            Framing::Length(length) => {
                reader
                    .by_ref()
                    .take(length)
                    .read_to_end(&mut response.body)?;
                if (response.body.len() as u64) < length {
                    response.completeness = Completeness::Cut;
                }
            }
            Framing::Chunked { .. } => match read_chunks(reader, &mut response.body) {
                Ok(trailers) => response.framing = Framing::Chunked { trailers },
                Err(err) if is_end(&err) => response.completeness = Completeness::Cut,
                Err(err) => return Err(err),
            },
            Framing::UntilClose => match reader.read_to_end(&mut response.body) {
                Err(err) if !is_end(&err) => return Err(err),
                _ => {}
            },
        }
        Ok(response)
    }

    /// The status code.
    ///
    /// # Panics
    ///
    /// Panics if the status line was changed into one without a code.
    pub fn status(&self) -> u16 {
        parse_status(&self.status_line).expect("checked when it was read")
    }

    /// The values of a header, in their order. `name` is in lower case.
    pub fn header_values(&self, name: &str) -> Vec<&[u8]> {
        let lines = self.header_lines.iter();
        let named = lines.filter_map(|line| split_header(line));
        named
            .filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
            .collect()
    }

    /// The first value of a header as text, if there is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.header_values(name);
        values.first().and_then(|value| str::from_utf8(value).ok())
    }

    /// Whether the response says, or by its version implies, that the connection ends after it.
    pub fn says_close(&self) -> bool {
        let says = |word: &str| {
            let values = self.header_values("connection");
            values.iter().any(|value| {
                let value = String::from_utf8_lossy(value).to_ascii_lowercase();
                value.split(',').any(|option| option.trim() == word)
            })
        };
        let http_10 = self.status_line.starts_with(b"HTTP/1.0");
        self.framing == Framing::UntilClose || says("close") || (http_10 && !says("keep-alive"))
    }

    /// Whether it is an interim response, after which the real one follows.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status()) && self.status() != 101
    }

    fn declared_framing(&self, status: u16, asked: Asked) -> io::Result<Framing> {
        let chunked = self.header_values("transfer-encoding");
        let lengths = self.header_values("content-length");
        match (&*chunked, &*lengths) {
            _ if asked == Asked::HeadOnly || matches!(status, 100..200 | 204 | 304) => {
                Ok(Framing::Bodiless)
            }
            ([], []) => Ok(Framing::UntilClose),
            ([], [length]) => str::from_utf8(length)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse().ok())
                .map(Framing::Length)
                .ok_or_else(|| invalid("a content-length that is no number")),
            ([b"chunked"], []) => Ok(Framing::Chunked {
                trailers: Vec::new(),
            }),
            _ => Err(invalid("contradicting or repeated framing headers")),
        }
    }
}

/// A header line's name and its value without the space around it.
pub fn split_header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

/// Whether an error only says that the peer has ended the connection, by whatever means: with unread
/// data in its buffer the kernel says so by a reset.
pub fn is_end(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn parse_status(line: &[u8]) -> io::Result<u16> {
    let fault = || {
        invalid(&format!(
            "no status line: {:?}",
            String::from_utf8_lossy(line)
        ))
    };
    let text = str::from_utf8(line).map_err(|_| fault())?;
    let rest = text
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| text.strip_prefix("HTTP/1.0 "))
        .ok_or_else(fault)?;
    let (code, _reason) = rest.split_once(' ').ok_or_else(fault)?;
    if code.len() != 3 {
        return Err(fault());
    }
    code.parse().map_err(|_| fault())
}

fn read_header_lines(reader: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    let mut size = 0;
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(lines);
        }
        size += line.len();
        if size > MAX_HEAD {
            return Err(invalid("an endless head"));
        }
        if split_header(&line).is_none() {
            return Err(invalid("a header line without a colon"));
        }
        lines.push(line);
    }
}

/// A line that must end with CR LF, without these.
fn read_line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader
        .by_ref()
        .take(MAX_HEAD as u64)
        .read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Err(match line.len() {
            MAX_HEAD => invalid("an endless line"),
            _ => io::ErrorKind::UnexpectedEof.into(),
        });
    }
    if !line.ends_with(b"\r\n") {
        return Err(invalid("a line that ends without CR"));
    }
    line.truncate(line.len() - 2);
    Ok(line)
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
    loop {
        let line = read_line(reader)?;
        let size = str::from_utf8(&line)
            .ok()
            .and_then(|text| u64::from_str_radix(text, 16).ok())
            .ok_or_else(|| invalid("a chunk size that is no number"))?;
        if size == 0 {
            return read_header_lines(reader);
        }
        let before = body.len();
        reader.by_ref().take(size).read_to_end(body)?;
        if ((body.len() - before) as u64) < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !read_line(reader)?.is_empty() {
            return Err(invalid("a chunk that is longer than it says"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> io::Result<RawResponse> {
        RawResponse::read(&mut raw.as_bytes(), Asked::Body)
    }

    #[test]
    fn a_length_ends_the_body() {
        let raw = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\nhimore";
        let response = read(raw).expect("a response");
        assert_eq!(response.status(), 200);
        assert_eq!(response.body, b"hi");
        assert_eq!(response.header_values("x-a"), [b"1", b"2"]);
        assert_eq!(response.framing, Framing::Length(2));
        assert!(!response.says_close());
    }

    #[test]
    fn chunks_are_joined_and_trailers_kept() {
        let raw = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\na: b\r\n\r\n";
        let response = read(raw).expect("a response");
        assert_eq!(response.body, b"hi!");
        let trailers = vec![b"a: b".to_vec()];
        assert_eq!(response.framing, Framing::Chunked { trailers });
    }

    #[test]
    fn a_cut_body_is_told_from_a_complete_one() {
        for raw in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhi",
        ] {
            let response = read(raw).expect("a response");
            assert_eq!(response.completeness, Completeness::Cut, "{raw:?}");
            assert_eq!(response.body, b"hi", "{raw:?}");
        }
    }

    #[test]
    fn head_and_bodiless_statuses_have_no_body() {
        let raw = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n";
        let response = RawResponse::read(&mut raw.as_bytes(), Asked::HeadOnly).expect("a response");
        assert_eq!(response.framing, Framing::Bodiless);
        let response = read("HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n");
        assert_eq!(response.expect("a response").framing, Framing::Bodiless);
        assert!(
            read("HTTP/1.1 100 Continue\r\n\r\n")
                .expect("a response")
                .is_interim()
        );
    }

    #[test]
    fn no_framing_means_until_close() {
        let response = read("HTTP/1.0 200 OK\r\n\r\nall of this").expect("a response");
        assert_eq!(response.framing, Framing::UntilClose);
        assert_eq!(response.body, b"all of this");
        assert!(response.says_close());
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for raw in [
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            let err = read(raw).expect_err(raw);
            assert_eq!(err.kind(), io::ErrorKind::InvalidData, "{raw:?}: {err}");
        }
        let err = read("HTTP/1.1 200 OK\r\nx: ").expect_err("cut head");
        assert!(is_end(&err));
    }
}
