//! What came back in one run of a case, in the form in which runs are compared.
//!
//! Masked or set aside, and nothing else:
//!
//! - the value of `date`, which is the time;
//! - a `server-timing` line of the plugin, which is there because these tests ask for it;
//! - the server's own address with its port, each server having one of its own;
//! - the order of header lines of *different* names: actix keeps headers in hash maps with a random
//!   seed each, so that it varies from one response of the same bare server to the next. Case,
//!   multiplicity and the order of lines of the same name are compared;
//! - where one chunk of a chunked body ends and the next begins, which is a matter of timing also
//!   without the plugin. The framing, the joined bytes and whether the end was said are compared;
//! - whether a connection ends by FIN or RST, which depends on what the kernel still holds unread.

use std::{fmt, net::SocketAddr};

use offload_tests::response::{Completeness, Framing, RawResponse, split_header};

/// Lines of a body that are longer than this are cut when shown.
const SHOWN: usize = 160;

/// One thing that the client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A response, interim or final.
    Response(RawResponse),
    /// Bytes that are no HTTP any more, or that nothing asked for.
    Bytes(Vec<u8>),
    /// Something that was waited for did not come before the end.
    Missing(Vec<u8>),
    /// What came is not HTTP.
    Fault(String),
    /// The server ended the connection.
    End,
}

/// Where the plugin says that it placed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Loop,
    Lane,
}

/// All that the client saw in one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) events: Vec<Event>,
    /// Whether the connection could be used again after the script's last step.
    pub(crate) stayed_open: bool,
    /// Where each response came from, as far as the plugin said so. Not compared.
    pub(crate) placed: Vec<Placed>,
}

impl Transcript {
    /// Notes a response in its comparable form.
    pub(crate) fn note_response(&mut self, mut response: RawResponse, addr: SocketAddr) {
        response.header_lines.retain(|line| {
            let placed = placement(line);
            self.placed.extend(placed);
            placed.is_none()
        });
        for line in &mut response.header_lines {
            if let Some((b"date" | b"Date", _)) = split_header(line) {
                line.truncate(b"date: ".len());
                line.extend_from_slice(b"(masked)");
            }
            mask_address(line, addr);
        }
        // Handlers that answer an address answer little else.
        if response.body.len() < 64 * 1024 {
            mask_address(&mut response.body, addr);
        }
        // Stable, so that lines of the same name keep their order.
        response
            .header_lines
            .sort_by_key(|line| split_header(line).map(|(name, _)| name.to_ascii_lowercase()));
        self.events.push(Event::Response(response));
    }
}

impl PartialEq for Transcript {
    fn eq(&self, other: &Self) -> bool {
        self.events == other.events
    }
}

/// What the plugin's own `server-timing` line says; handlers may have lines of their own.
pub(crate) fn placement(line: &[u8]) -> Option<Placed> {
    let (name, value) = split_header(line)?;
    let value = value.strip_prefix(b"place;desc=\"")?;
    match name {
        b"server-timing" | b"Server-Timing" if value.starts_with(b"loop\"") => Some(Placed::Loop),
        b"server-timing" | b"Server-Timing" if value.starts_with(b"lane\"") => Some(Placed::Lane),
        _ => None,
    }
}

/// Puts `#` for the digits of the port wherever `addr` stands, which keeps lengths as they are.
fn mask_address(bytes: &mut [u8], addr: SocketAddr) {
    let address = addr.to_string().into_bytes();
    let port = addr.ip().to_string().len() + 1;
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], &address) {
        bytes[from + at + port..from + at + address.len()].fill(b'#');
        from += at + address.len();
    }
}

fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    bytes
        .windows(sought.len())
        .position(|window| window == sought)
}

/// Lines to read and to compare by eye.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            match event {
                Event::Response(response) => show_response(f, response)?,
                Event::Bytes(bytes) => show_bytes(f, "bytes", bytes)?,
                Event::Missing(bytes) => show_bytes(f, "never came", bytes)?,
                Event::Fault(fault) => writeln!(f, "[fault: {fault}]")?,
                Event::End => writeln!(f, "[end of the connection]")?,
            }
        }
        Ok(())
    }
}

fn show_response(f: &mut fmt::Formatter<'_>, response: &RawResponse) -> fmt::Result {
    writeln!(f, "{}", readable(&response.status_line))?;
    for line in &response.header_lines {
        writeln!(f, "{}", readable(line))?;
    }
    match &response.framing {
        Framing::Bodiless => writeln!(f, "[no body]")?,
        Framing::Length(length) => writeln!(f, "[body of declared length {length}]")?,
        Framing::UntilClose => writeln!(f, "[body until close]")?,
        Framing::Chunked { trailers } => {
            writeln!(f, "[chunked body]")?;
            for trailer in trailers {
                writeln!(f, "[trailer {}]", readable(trailer))?;
            }
        }
    }
    show_bytes(f, "body", &response.body)?;
    if response.completeness == Completeness::Cut {
        writeln!(f, "[cut]")?;
    }
    Ok(())
}

/// Text as it is, and escapes for what is none.
fn readable(bytes: &[u8]) -> String {
    let escaped = bytes.escape_ascii().to_string();
    escaped.replace("\\\"", "\"").replace("\\'", "'")
}

fn show_bytes(f: &mut fmt::Formatter<'_>, what: &str, bytes: &[u8]) -> fmt::Result {
    writeln!(f, "[{what}: {} bytes]", bytes.len())?;
    for line in bytes.split(|&byte| byte == b'\n').take(20) {
        let shown = &line[..line.len().min(SHOWN)];
        writeln!(f, "| {}", readable(shown))?;
    }
    Ok(())
}
