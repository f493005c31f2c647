//! The clients: connections on which one request follows the other, and the echo server that handlers talk to.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{
    kind::{AWAITS, Kind, PAUSE},
    server::{USAGE, Usage},
};

const PIECE: usize = 1 << 10;
/// For an answer that never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request: how it ended, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) status: u16,
    pub(crate) took: Duration,
}

/// A connection that stays open.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// So many clients ask for something that awaits, each again as soon as it is answered, for `time`.
pub(crate) fn ask(
    address: SocketAddr,
    kind: Kind,
    clients: usize,
    time: Duration,
) -> io::Result<Vec<Asked>> {
    let end = Instant::now() + time;
    let asking = move || -> io::Result<Vec<Asked>> {
        let mut client = Client::connect(address)?;
        let mut asked = Vec::new();
        while asked.is_empty() || Instant::now() < end {
            let start = Instant::now();
            let (status, _) = client.ask(kind.method(), kind.path(), kind == Kind::Chunks)?;
            let took = start.elapsed();
            asked.push(Asked { status, took });
        }
        Ok(asked)
    };
    let threads: Vec<_> = (0..clients).map(|_| thread::spawn(asking)).collect();
    let mut all = Vec::new();
    for thread in threads {
        all.extend(thread.join().expect("a client does not panic")?);
    }
    Ok(all)
}

/// Asks a server what it has used so far.
pub(crate) fn usage(address: SocketAddr) -> io::Result<Usage> {
    let (_, body) = Client::connect(address)?.ask("GET", USAGE, false)?;
    serde_json::from_slice(&body).map_err(io::Error::other)
}

impl Client {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let buffer = vec![0; 4 << 10];
        Ok(Self { stream, buffer })
    }

    /// Sends a request and waits for its answer; the status and the body.
    fn ask(&mut self, method: &str, path: &str, in_pieces: bool) -> io::Result<(u16, Vec<u8>)> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        // Of a known length it would be read before the handler begins.
        head += if in_pieces {
            "transfer-encoding: chunked\r\n\r\n"
        } else {
            "\r\n"
        };
        self.stream.write_all(head.as_bytes())?;
        if in_pieces {
            self.send_pieces()?;
        }
        self.answer()
    }

    fn send_pieces(&mut self) -> io::Result<()> {
        let mut piece = format!("{PIECE:x}\r\n").into_bytes();
        piece.resize(piece.len() + PIECE, b'x');
        piece.extend(b"\r\n");
        for _ in 1..AWAITS {
            thread::sleep(PAUSE);
            self.stream.write_all(&piece)?;
        }
        // The end comes with the last one.
        piece.extend(b"0\r\n\r\n");
        thread::sleep(PAUSE);
        self.stream.write_all(&piece)
    }

    fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let mut got = 0;
        loop {
            match self.stream.read(&mut self.buffer[got..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => got += more,
            }
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let mut head = httparse::Response::new(&mut headers);
            let parsed = head.parse(&self.buffer[..got]).map_err(io::Error::other)?;
            let httparse::Status::Complete(length) = parsed else {
                continue;
            };
            let body = &self.buffer[length..got];
            let announced = head.headers.iter().find_map(|header| {
                let named = header.name.eq_ignore_ascii_case("content-length");
                let value = std::str::from_utf8(header.value).ok()?;
                named.then(|| value.parse::<usize>().ok())?
            });
            if announced == Some(body.len()) {
                let status = head.code.ok_or(io::ErrorKind::InvalidData)?;
                return Ok((status, body.to_vec()));
            }
        }
    }
}

/// Starts a server that gives back every byte; it ends with the process.
pub(crate) fn echo() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let serve = |mut stream: TcpStream| {
        stream.set_nodelay(true)?;
        let mut reading = stream.try_clone()?;
        io::copy(&mut reading, &mut stream)
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks is one whose server has ended.
            thread::spawn(move || serve(stream).map_err(drop));
        }
    });
    Ok(address)
}
