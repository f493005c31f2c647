//! Writes the bytes of a request, so that a case says only what is particular about it.

/// The `Host` of all requests, so that nothing depends on a server's port.
pub(crate) const HOST: &str = "conformance.test";

/// A request that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    line: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self::without_host(method, target, "HTTP/1.1").header("Host", HOST)
    }

    /// A request of any version with no headers at all.
    pub(crate) fn without_host(method: &str, target: &str, version: &str) -> Self {
        Self {
            line: format!("{method} {target} {version}"),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// A body with its `Content-Length`.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Length", length)
    }

    /// A chunked body.
    pub(crate) fn chunks<'a>(mut self, chunks: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.body = chunked(chunks);
        self.header("Transfer-Encoding", "chunked")
    }

    pub(crate) fn json(self, body: &str) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    pub(crate) fn form(self, body: &str) -> Self {
        self.header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// The method and the target.
    pub(crate) fn name(&self) -> String {
        self.line
            .rsplit_once(' ')
            .map_or_else(|| self.line.clone(), |(name, _version)| name.to_owned())
    }

    pub(crate) fn is_head(&self) -> bool {
        self.line.starts_with("HEAD ")
    }

    /// All of it as it is sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The head with the empty line that ends it.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// A complete chunked body.
pub(crate) fn chunked<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes: Vec<u8> = chunks.into_iter().flat_map(chunk).collect();
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// One chunk of a chunked body.
pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Bytes that no encoding leaves as they are, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        // Xorshift: any fixed sequence with all byte values will do.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}
