//! A client's end of a connection that sends exactly the given bytes and never waits for ever.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use crate::response::{Asked, RawResponse, is_end};

/// How long a read or a write may take before it counts as a hang.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A raw connection. Every read and write fails after [`DEADLINE`] with an error that says so.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    reader: BufReader<Timed>,
    writers: Vec<thread::JoinHandle<()>>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// If the server does not take the connection.
    pub fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let reader = BufReader::with_capacity(64 * 1024, Timed(stream.try_clone()?));
        Ok(Self {
            stream,
            reader,
            writers: Vec::new(),
        })
    }

    /// Sends these bytes, all of them before it returns.
    ///
    /// # Errors
    ///
    /// If the server has ended the connection, or takes nothing for [`DEADLINE`].
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).map_err(explain)
    }

    /// Sends these bytes in the background, so that the answer can be read meanwhile. What the server
    /// no longer takes is dropped silently: whether it still does is up to the kernels' buffers.
    ///
    /// # Errors
    ///
    /// If no thread could be had.
    pub fn send_in_background(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let mut stream = self.stream.try_clone()?;
        let writer = thread::Builder::new().spawn(move || {
            let _sent = stream.write_all(&bytes);
        })?;
        self.writers.push(writer);
        Ok(())
    }

    /// Reads one response with its body.
    ///
    /// # Errors
    ///
    /// See [`RawResponse::read`]; `TimedOut` if nothing comes for [`DEADLINE`].
    pub fn read_response(&mut self) -> io::Result<RawResponse> {
        self.read_response_to(Asked::Body)
    }

    /// Reads one response to a request that was `asked` by its method.
    ///
    /// # Errors
    ///
    /// See [`Connection::read_response`].
    pub fn read_response_to(&mut self, asked: Asked) -> io::Result<RawResponse> {
        RawResponse::read(&mut self.reader, asked)
    }

    /// Reads exactly so many bytes, or fewer if the connection ends.
    ///
    /// # Errors
    ///
    /// `TimedOut` if nothing comes for [`DEADLINE`].
    pub fn read_up_to(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader)
            .take(count as u64)
            .read_to_end(&mut bytes);
        unless_ended(read.map(|_| ()))?;
        Ok(bytes)
    }

    /// Reads until `mark` has come, mark included, or the connection ends.
    ///
    /// # Errors
    ///
    /// `TimedOut` if nothing comes for [`DEADLINE`].
    ///
    /// # Panics
    ///
    /// Panics if `mark` is empty.
    pub fn read_until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        let last = *mark.last().expect("a mark");
        let mut bytes = Vec::new();
        while !bytes.ends_with(mark) {
            match self.reader.read_until(last, &mut bytes) {
                Ok(0) => break,
                read => unless_ended(read.map(|_| ()))?,
            }
        }
        Ok(bytes)
    }

    /// Reads until the server ends the connection.
    ///
    /// # Errors
    ///
    /// `TimedOut` if it does not for [`DEADLINE`].
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.reader.read_to_end(&mut bytes);
        unless_ended(read.map(|_| ()))?;
        Ok(bytes)
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
        self.join_writers();
        // It fails only if the server has ended the connection already, which says the same.
        let _closed = self.stream.shutdown(Shutdown::Write);
    }

    fn join_writers(&mut self) {
        for writer in self.writers.drain(..) {
            // It panics in no place, and its end is all that matters.
            let _ended = writer.join();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _closed = self.stream.shutdown(Shutdown::Both);
        self.join_writers();
    }
}

/// The reading half, whose time-outs explain themselves.
struct Timed(TcpStream);

impl Read for Timed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(explain)
    }
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn explain(err: io::Error) -> io::Error {
    match err.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the server did nothing for {DEADLINE:?}"),
        ),
        _ => err,
    }
}

fn unless_ended(read: io::Result<()>) -> io::Result<()> {
    match read {
        Err(err) if !is_end(&err) => Err(err),
        _ => Ok(()),
    }
}
