//! A client's end of a connection that sends exactly the given bytes and never waits for ever.

use std::{
    io::{self, BufRead, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use crate::response::{Asked, RawResponse, is_end};

/// How long a read or a write may take before it counts as a hang.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How much is asked of the socket at once.
const PIECE: usize = 64 * 1024;

/// A raw connection. Every read and write fails after [`DEADLINE`] with an error that says so.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    incoming: Incoming,
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
        let incoming = Incoming::new(stream.try_clone()?);
        Ok(Self {
            stream,
            incoming,
            writers: Vec::new(),
        })
    }

    /// Sends these bytes, all of them before it returns, behind what is still being sent in the
    /// background.
    ///
    /// # Errors
    ///
    /// If the server has ended the connection, or takes nothing for [`DEADLINE`].
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.join_writers();
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
        RawResponse::read(&mut self.incoming, asked)
    }

    /// Reads exactly so many bytes, or fewer if the connection ends.
    ///
    /// # Errors
    ///
    /// `TimedOut` if nothing comes for [`DEADLINE`].
    pub fn read_up_to(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.incoming)
            .take(count as u64)
            .read_to_end(&mut bytes);
        unless_ended(read.map(|_| ()))?;
        Ok(bytes)
    }

    /// Waits until `mark` is among what has come and was not read yet, without reading it. Says
    /// whether it came before the connection's end.
    ///
    /// # Errors
    ///
    /// `TimedOut` if nothing comes for [`DEADLINE`].
    pub fn wait_for(&mut self, mark: &[u8]) -> io::Result<bool> {
        self.incoming.wait_for(mark)
    }

    /// Reads until the server ends the connection.
    ///
    /// # Errors
    ///
    /// `TimedOut` if it does not for [`DEADLINE`].
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.incoming.read_to_end(&mut bytes);
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

/// The reading half: a buffer that can be looked into, and time-outs that explain themselves.
#[derive(Debug)]
struct Incoming {
    stream: TcpStream,
    buffer: Vec<u8>,
    read: usize,
}

impl Incoming {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            read: 0,
        }
    }

    fn wait_for(&mut self, mark: &[u8]) -> io::Result<bool> {
        let came = |bytes: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
        while !came(&self.buffer[self.read..]) {
            match self.receive() {
                Ok(0) => return Ok(false),
                Err(err) if is_end(&err) => return Ok(false),
                received => received?,
            };
        }
        Ok(true)
    }

    /// Appends what comes next to the buffer.
    fn receive(&mut self) -> io::Result<usize> {
        let before = self.buffer.len();
        self.buffer.resize(before + PIECE, 0);
        let received = self.stream.read(&mut self.buffer[before..]);
        self.buffer
            .truncate(before + received.as_ref().map_or(0, |&count| count));
        received.map_err(explain)
    }
}

impl BufRead for Incoming {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read == self.buffer.len() {
            self.buffer.clear();
            self.read = 0;
            self.receive()?;
        }
        Ok(&self.buffer[self.read..])
    }

    fn consume(&mut self, count: usize) {
        self.read += count;
    }
}

impl Read for Incoming {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(buf)?;
        self.consume(count);
        Ok(count)
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A peer that says `bytes` and leaves.
    fn peer(bytes: &'static [u8]) -> (SocketAddr, thread::JoinHandle<()>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.write_all(bytes).expect("the client reads");
        });
        (addr, thread)
    }

    #[test]
    fn waiting_for_a_mark_reads_nothing() {
        let (addr, peer) = peer(b"one two three");
        let mut connection = Connection::open(addr).expect("a connection");
        assert!(connection.wait_for(b"two").expect("no time-out"));
        assert_eq!(connection.read_up_to(4).expect("bytes"), b"one ");
        assert!(!connection.wait_for(b"four").expect("no time-out"));
        assert_eq!(connection.read_to_end().expect("bytes"), b"two three");
        peer.join().expect("the peer ends");
    }

    #[test]
    fn a_response_leaves_what_follows_it() {
        let (addr, peer) = peer(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxrest");
        let mut connection = Connection::open(addr).expect("a connection");
        assert_eq!(connection.read_response().expect("a response").body, b"x");
        assert_eq!(connection.read_up_to(99).expect("bytes"), b"rest");
        peer.join().expect("the peer ends");
    }
}
