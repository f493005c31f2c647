//! A connection whose owner says when each piece of a request is sent, and how the connection ends.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use socket2::SockRef;

use super::{
    answer::{Answer, Incoming},
    connection::{self, BUFFER},
    record::Failure,
};

/// A connection for one request. To drop it closes it.
#[derive(Debug)]
pub(crate) struct Manual(TcpStream);

impl Manual {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        connection::connect(address).map(Self)
    }

    /// Sends these bytes now.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Waits for a whole answer.
    pub(crate) fn answer(&mut self) -> Result<Answer, Failure> {
        let mut incoming = Incoming::default();
        connection::read(&mut self.0, &mut incoming, &mut [0; BUFFER])
            .map_err(|error| Failure::reading(&error, incoming.got()))
    }

    /// Ends the connection by a reset instead of a close.
    pub(crate) fn reset(self) -> io::Result<()> {
        SockRef::from(&self.0).set_linger(Some(Duration::ZERO))
    }
}
