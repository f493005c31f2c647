//! One request and its answer, to be asked in HTTP/1 and in HTTP/2 alike.

use offload_tests::response::Asked;

use crate::script::Step;

/// A request, and what shows that the bare app answers it as it should.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Its method and its target.
    pub(crate) line: &'static str,
    /// Whole lines.
    pub(crate) headers: &'static [&'static str],
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    /// Something that its answer contains.
    pub(crate) says: &'static str,
}

impl Exchange {
    /// All of it in HTTP/1.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} HTTP/1.1\r\nHost: test\r\n", self.line);
        for line in self.headers {
            bytes += &format!("{line}\r\n");
        }
        if !self.body.is_empty() {
            bytes += &format!("Content-Length: {}\r\n", self.body.len());
        }
        bytes += "\r\n";
        [bytes.as_bytes(), &self.body].concat()
    }

    /// Twice on one connection, which shows whether the first answer leaves it in order.
    pub(crate) fn script(&self) -> Vec<Step> {
        let asked = match self.line.starts_with("HEAD ") {
            true => Asked::HeadOnly,
            false => Asked::Body,
        };
        let once = [Step::Send(self.bytes()), Step::Answer(asked)];
        [once.clone(), once].concat()
    }
}
