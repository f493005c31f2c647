//! A blocking connection that stays open: its thread sleeps until a request is due and misses nothing of its answer.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{
    answer::{After, Answer, Incoming},
    record::{Failure, Outcome},
    request::Request,
};

/// Shorter than any server's keep-alive, so that no request meets a connection that the server is closing.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(2);
/// How long a connection waits for the next byte of an answer.
const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const BUFFER: usize = 16 << 10;

/// A connection to a server that is made when it is needed.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    open: Option<(TcpStream, Instant)>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            open: None,
            buffer: vec![0; BUFFER],
        }
    }

    /// Sends a request and waits for its whole answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Outcome {
        match self.answer(request) {
            Ok(answer) => Outcome::Answered {
                status: answer.status,
                refusal: answer.refusal,
            },
            Err(failure) => Outcome::Failed(failure),
        }
    }

    /// As [`Connection::ask`], with the answer itself.
    pub(crate) fn answer(&mut self, request: &Request) -> Result<Answer, Failure> {
        let fresh_enough = |(_, used): &(TcpStream, Instant)| used.elapsed() < IDLE_LIMIT;
        let mut stream = match self.open.take().filter(fresh_enough) {
            Some((stream, _)) => stream,
            None => connect(self.address).map_err(|_| Failure::Connect)?,
        };
        let sent = stream.write_all(request).is_ok();
        let mut incoming = Incoming::default();
        // A refusal may have come before a large body was through.
        let answer = read(&mut stream, &mut incoming, &mut self.buffer).map_err(|error| {
            match incoming.got() {
                0 if !sent => Failure::WhileSending,
                got => Failure::reading(&error, got),
            }
        })?;
        if sent && answer.after == After::Open {
            self.open = Some((stream, Instant::now()));
        }
        Ok(answer)
    }
}

/// A connection whose packets leave at once, and on which nothing is waited for without end.
pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads until an answer is whole.
pub(super) fn read(
    stream: &mut TcpStream,
    incoming: &mut Incoming,
    buffer: &mut [u8],
) -> io::Result<Answer> {
    loop {
        let got = match stream.read(buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => got,
        };
        if let Some(answer) = incoming.take(&buffer[..got])? {
            return Ok(answer);
        }
    }
}
