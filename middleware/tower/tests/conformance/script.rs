//! What a client does on one connection, and all bytes that it sees meanwhile.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
};

use offload_tests::{
    connection::DEADLINE,
    response::{Asked, RawResponse, is_end},
};

use crate::server::Server;

/// One thing that the client does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Reads a final response, and interim ones before it.
    Answer(Asked),
    /// Reads until this has come.
    Until(Vec<u8>),
    /// Lets the response go on.
    Open,
    /// Says that nothing more will be sent.
    Finish,
    /// Reads until the server ends the connection by itself.
    End,
}

/// The last request on a connection that is still in use. It shows that it is, and ends it.
const LAST: &[u8] = b"GET /light HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

/// Runs a script and then reads until the server ends the connection: all bytes that came, without the time.
///
/// # Errors
///
/// A hang above all, and what is no HTTP.
pub(crate) fn run(script: &[Step], server: &Server) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect(server.addr())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let mut client = Client {
        reader: Seeing {
            inner: BufReader::new(stream.try_clone()?),
            seen: Vec::new(),
        },
        stream,
    };
    for step in script {
        match step {
            Step::Open => server.open(),
            step => client.step(step)?,
        }
    }
    client.send(LAST)?;
    if !matches!(script, [.., Step::End]) {
        client.until(None)?;
    }
    let _closed = client.stream.shutdown(Shutdown::Both);
    Ok(without_time(client.reader.seen))
}

struct Client {
    stream: TcpStream,
    reader: Seeing,
}

impl Client {
    fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Send(bytes) => self.send(bytes),
            Step::Answer(asked) => self.answer(*asked),
            Step::Until(mark) => self.until(Some(mark)),
            Step::End => self.until(None),
            Step::Finish => unless_ended(self.stream.shutdown(Shutdown::Write)),
            Step::Open => Ok(()),
        }
    }

    /// Whether the server still takes it is up to the kernels' buffers.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        unless_ended(self.stream.write_all(bytes))
    }

    fn answer(&mut self, asked: Asked) -> io::Result<()> {
        loop {
            let response = RawResponse::read(&mut self.reader, asked);
            if response.as_ref().is_ok_and(RawResponse::is_interim) {
                continue;
            }
            return unless_ended(response.map(|_| ()));
        }
    }

    /// Reads until `mark` has come, or to the end.
    fn until(&mut self, mark: Option<&[u8]>) -> io::Result<()> {
        loop {
            let seen = &self.reader.seen;
            if mark.is_some_and(|mark| seen.windows(mark.len()).any(|window| window == mark)) {
                return Ok(());
            }
            let came = self.reader.fill_buf().map(<[u8]>::len);
            if matches!(came, Ok(0)) || came.is_err() {
                return unless_ended(came.map(|_| ()));
            }
            self.reader.consume(came?);
        }
    }
}

fn unless_ended(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if is_end(&error) { Ok(()) } else { Err(error) })
}

/// Remembers what was read.
struct Seeing {
    inner: BufReader<TcpStream>,
    seen: Vec<u8>,
}

impl BufRead for Seeing {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.seen.extend_from_slice(&self.inner.buffer()[..count]);
        self.inner.consume(count);
    }
}

impl Read for Seeing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buf)?;
        self.consume(count);
        Ok(count)
    }
}

/// Puts another time in each `date`, which is always as long.
fn without_time(mut bytes: Vec<u8>) -> Vec<u8> {
    const DATE: &[u8] = b"\r\ndate: ";
    const TIME: &[u8] = b"Thu, 01 Jan 1970 00:00:00 GMT";
    // No handler of these tests writes such a line into a body.
    let mut from = 0;
    while let Some(at) = bytes[from..]
        .windows(DATE.len())
        .position(|window| window == DATE)
    {
        from += at + DATE.len();
        if let Some(time) = bytes.get_mut(from..from + TIME.len()) {
            time.copy_from_slice(TIME);
        }
    }
    bytes
}
