//! One request and its answer on an async connection.

use std::{io, net::SocketAddr, pin::pin};

use futures_util::future::{Either, select};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    answer::{After, Answer, Incoming},
    record::{Failure, Outcome},
    request::Request,
};

/// The most that is read or written at once.
///
/// Many kernels preempt nothing that is inside of a system call. Five megabytes given to one `send` held a core up to 12 ms,
/// against light clients of real-time priority too, and that looked like a slow server.
const BUFFER: usize = 16 << 10;

/// A connection whose packets leave at once.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends and reads at the same time, because a refusal may come before a large body is through.
pub(super) async fn ask(stream: &mut TcpStream, request: &Request) -> (Outcome, After) {
    let (mut reader, mut writer) = stream.split();
    let mut incoming = Incoming::default();
    let mut buffer = [0; BUFFER];
    let (answer, written) = {
        let write = pin!(write(&mut writer, request));
        let read = pin!(read(&mut reader, &mut incoming, &mut buffer));
        match select(write, read).await {
            // An answer may have come before the connection broke.
            Either::Left((written, read)) => (read.await, written.is_ok()),
            Either::Right((answer, _)) => (answer, false),
        }
    };
    match answer {
        Ok(answer) => {
            let outcome = Outcome::Answered {
                status: answer.status,
                refusal: answer.refusal,
            };
            let after = if written { answer.after } else { After::Closed };
            (outcome, after)
        }
        Err(_) if !written && incoming.got() == 0 => {
            (Outcome::Failed(Failure::WhileSending), After::Closed)
        }
        Err(error) => {
            let failure = Failure::reading(&error, incoming.got());
            (Outcome::Failed(failure), After::Closed)
        }
    }
}

async fn write(writer: &mut (impl AsyncWriteExt + Unpin), request: &[u8]) -> io::Result<()> {
    for piece in request.chunks(BUFFER) {
        writer.write_all(piece).await?;
    }
    Ok(())
}

async fn read(
    reader: &mut (impl AsyncReadExt + Unpin),
    incoming: &mut Incoming,
    buffer: &mut [u8],
) -> io::Result<Answer> {
    loop {
        let got = match reader.read(buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => got,
        };
        if let Some(answer) = incoming.take(&buffer[..got])? {
            return Ok(answer);
        }
    }
}
