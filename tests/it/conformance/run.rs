//! Runs a case against a server and writes down what came back.

use std::{io, net::SocketAddr};

use offload_tests::{
    connection::Connection,
    response::{Asked, RawResponse, is_end},
};

use super::{
    case::{Case, Step},
    request::Request,
    transcript::{Event, Transcript},
};

/// The path that every app of these tests answers at once.
pub(crate) const PROBE: &str = "/probe";

/// How often a case's script runs on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Once, on a connection of its own.
    Fresh,
    /// Three times in a row on one connection.
    Reused,
}

/// Runs `case` and reads until the server ends the connection. If it seems to be still in use after
/// the script, a last request finds out, and brings the end.
///
/// # Errors
///
/// What the network fails with, a hang above all.
pub(crate) fn run(case: &Case, style: Style, addr: SocketAddr) -> io::Result<Transcript> {
    let mut run = Run {
        connection: Connection::open(addr)?,
        transcript: Transcript::default(),
        addr,
        last: Last::Nothing,
    };
    let times = match style {
        Style::Fresh => 1,
        Style::Reused => 3,
    };
    for _ in 0..times {
        for step in &case.steps {
            run.step(step)?;
            if matches!(run.last, Last::Fault | Last::Left) {
                return Ok(run.transcript);
            }
        }
    }
    run.finish()?;
    Ok(run.transcript)
}

/// What the connection seems to be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// No final response yet.
    Nothing,
    /// A response that lets the connection live.
    KeepsOpen,
    /// A response that ends it, or what came after an upgrade.
    Ends,
    /// Nothing, because the client left.
    Left,
    /// What came is no HTTP, so that nothing behind it can be told apart.
    Fault,
}

struct Run {
    connection: Connection,
    transcript: Transcript,
    addr: SocketAddr,
    last: Last,
}

impl Run {
    fn note(&mut self, event: Event) {
        self.transcript.events.push(event);
    }

    fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Send(bytes) => match self.connection.send(bytes) {
                // The reads that follow show what the server said before it left.
                Err(err) if is_end(&err) => Ok(()),
                sent => sent,
            },
            Step::SendInBackground(bytes) => self.connection.send_in_background(bytes.clone()),
            Step::LetServerSee => let_server_see(self.addr),
            Step::Elsewhere(bytes) => elsewhere(self.addr, bytes),
            Step::WaitFor(mark) => {
                if !self.connection.wait_for(mark)? {
                    self.note(Event::Missing(mark.clone()));
                }
                Ok(())
            }
            Step::Response(asked) => loop {
                let Some(interim) = self.response(*asked)? else {
                    return Ok(());
                };
                if !interim {
                    return Ok(());
                }
            },
            Step::Interim => self.response(Asked::Body).map(|_| ()),
            Step::Bytes(count) => {
                let bytes = self.connection.read_up_to(*count)?;
                self.last = Last::Ends;
                self.note(Event::Bytes(bytes));
                Ok(())
            }
            Step::End => {
                let rest = self.connection.read_to_end()?;
                self.last = Last::Ends;
                self.note(Event::Bytes(rest));
                Ok(())
            }
            Step::Leave => {
                self.last = Last::Left;
                Ok(())
            }
            Step::HalfClose => {
                self.connection.half_close();
                self.last = Last::Ends;
                Ok(())
            }
        }
    }

    /// Reads one response, and says whether it was an interim one; `None` if there was none.
    fn response(&mut self, asked: Asked) -> io::Result<Option<bool>> {
        match self.connection.read_response_to(asked) {
            Ok(response) => {
                let interim = response.is_interim();
                if !interim {
                    self.last = last(&response);
                }
                self.transcript.note_response(response, self.addr);
                Ok(Some(interim))
            }
            Err(err) if is_end(&err) => {
                self.last = Last::Ends;
                Ok(None)
            }
            Err(err) if err.kind() == io::ErrorKind::InvalidData => {
                self.last = Last::Fault;
                self.note(Event::Fault(err.to_string()));
                Ok(None)
            }
            Err(err) => Err(err),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.last == Last::KeepsOpen {
            let probe = Request::get(PROBE).header("Connection", "close");
            let before = self.transcript.events.len();
            self.step(&Step::Send(probe.bytes()))?;
            self.step(&Step::Response(Asked::Body))?;
            if self.last == Last::Fault {
                return Ok(());
            }
            self.transcript.stayed_open = self.transcript.events.len() > before;
        }
        // A server that wants no more of a request body goes on to read it for a second, unless it
        // sees that nothing more will come.
        self.connection.half_close();
        let rest = self.connection.read_to_end()?;
        if !rest.is_empty() {
            self.note(Event::Bytes(rest));
        }
        self.note(Event::End);
        Ok(())
    }
}

fn last(response: &RawResponse) -> Last {
    match response.says_close() {
        _ if response.status() == 101 => Last::Ends,
        true => Last::Ends,
        false => Last::KeepsOpen,
    }
}

/// One request on another connection: the servers here have one event loop, which has therefore
/// looked at every socket that was readable before.
fn let_server_see(addr: SocketAddr) -> io::Result<()> {
    let probe = Request::get(PROBE).header("Connection", "close");
    elsewhere(addr, &probe.bytes())
}

fn elsewhere(addr: SocketAddr, request: &[u8]) -> io::Result<()> {
    let mut connection = Connection::open(addr)?;
    connection.send(request)?;
    connection.read_response()?;
    Ok(())
}
