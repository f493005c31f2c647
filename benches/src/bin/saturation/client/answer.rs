//! Reads the answers of HTTP/1.1 that the app gives: a head, and a body whose length the head states.

use std::io;

use super::record::Refusal;

/// More of a body than any refusal has.
const KEPT: usize = 4 << 10;
const HEADERS: usize = 32;

/// Whether a connection can carry another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Open,
    Closed,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) refusal: Refusal,
    pub(crate) after: After,
    /// The beginning of the body.
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
struct Head {
    status: u16,
    length: usize,
    after: After,
    retry_after: Option<u32>,
    json: bool,
}

/// An answer that is coming in.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    kept: Vec<u8>,
    head: Option<Head>,
    got: usize,
    body: usize,
}

impl Incoming {
    /// How many bytes have come.
    pub(crate) fn got(&self) -> usize {
        self.got
    }

    /// Takes what has come; gives the answer when it is whole.
    ///
    /// # Errors
    ///
    /// `InvalidData` if it is no answer as this app gives them.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> io::Result<Option<Answer>> {
        self.got += bytes.len();
        match &self.head {
            Some(_) => {
                self.body += bytes.len();
                self.keep(bytes);
            }
            None => {
                self.kept.extend_from_slice(bytes);
                let Some((head, length)) = read_head(&self.kept)? else {
                    return Ok(None);
                };
                self.kept.drain(..length);
                self.body = self.kept.len();
                self.kept.truncate(KEPT);
                self.head = Some(head);
            }
        }
        let whole = self.head.take_if(|head| self.body >= head.length);
        let Some(head) = whole else {
            return Ok(None);
        };
        if self.body > head.length {
            return Err(invalid("more than was announced"));
        }
        let body = std::mem::take(&mut self.kept);
        Ok(Some(Answer {
            status: head.status,
            refusal: refusal(&head, &body),
            after: head.after,
            body,
        }))
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
    }
}

fn refusal(head: &Head, body: &[u8]) -> Refusal {
    if head.status != 503 {
        return Refusal::No;
    }
    let json = serde_json::from_slice::<serde_json::Value>(body).is_ok();
    match head.retry_after {
        Some(retry_after) if head.json && json => Refusal::Proper { retry_after },
        _ => Refusal::Improper,
    }
}

fn read_head(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes).map_err(invalid)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.ok_or_else(|| invalid("no status"))?;
    let value = |name: &str| {
        let header = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let body = value("content-length").ok_or_else(|| invalid("no length"))?;
    let close = value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let head = Head {
        status,
        length: body.parse().map_err(invalid)?,
        after: if close { After::Closed } else { After::Open },
        retry_after: value("retry-after").and_then(|value| value.parse().ok()),
        json: value("content-type").is_some_and(|value| value.starts_with("application/json")),
    };
    Ok(Some((head, length)))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Option<Answer>> {
        let mut incoming = Incoming::default();
        let mut last = Ok(None);
        // The worst case of a network: byte by byte.
        for byte in text.as_bytes() {
            last = incoming.take(&[*byte]);
            if last.is_err() {
                break;
            }
        }
        last
    }

    fn whole(text: &str) -> Answer {
        read(text).expect("an answer").expect("a whole one")
    }

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let answer = whole(text);
        assert_eq!((answer.status, answer.after), (200, After::Open));
        assert_eq!(answer.body, b"hello");
        assert!(read(&text[..text.len() - 1]).expect("fine").is_none());
    }

    #[test]
    fn a_refusal_needs_retry_after_and_json() {
        let proper = "HTTP/1.1 503 x\r\nRetry-After: 2\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(whole(proper).refusal, Refusal::Proper { retry_after: 2 });
        let late = proper.replace("Retry-After: 2\r\n", "");
        assert_eq!(whole(&late).refusal, Refusal::Improper);
        let text = proper.replace("{}", "no");
        assert_eq!(whole(&text).refusal, Refusal::Improper);
        assert_eq!(whole(&proper.replace("503", "200")).refusal, Refusal::No);
    }

    #[test]
    fn a_close_is_seen() {
        let text = "HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(whole(text).after, After::Closed);
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in [
            "hello\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let mut incoming = Incoming::default();
        let much = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nhello";
        assert!(incoming.take(much).is_err());
    }
}
