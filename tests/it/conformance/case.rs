//! What a client does in one test case: a script of sends, waits and reads.

use offload_tests::response::Asked;

use super::request::Request;

/// One thing that the client does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes while the script goes on; the server may refuse to take them.
    SendInBackground(Vec<u8>),
    /// Lets the server's event loop go around, so that it sees what was sent so far on its own.
    LetServerSee,
    /// Asks this on a connection of its own and waits for the answer, at which nobody looks.
    Elsewhere(Vec<u8>),
    /// Waits until this has come, without reading it.
    WaitFor(Vec<u8>),
    /// Reads a final response, and interim ones before it.
    Response(Asked),
    /// Reads an interim response, such as `100 Continue`.
    Interim,
    /// Reads exactly so many bytes, which are no HTTP any more.
    Bytes(usize),
    /// Says that nothing more will be sent.
    HalfClose,
    /// Reads until the server ends the connection by itself.
    End,
    /// Ends the connection and looks at nothing more.
    Leave,
}

/// A named script, and what is expected of it beyond being answered the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    /// What must be found in the bare app's answer, so that a case is known to test what it says.
    pub(crate) sanity: Vec<String>,
}

impl Case {
    /// An empty script.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            steps: Vec::new(),
            sanity: Vec::new(),
        }
    }

    /// One request and its response.
    pub(crate) fn of(request: Request) -> Self {
        Self::new(request.name()).exchange(&request)
    }

    /// One `GET` and its response.
    pub(crate) fn get(target: &str) -> Self {
        Self::of(Request::get(target))
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// The bare app's rendered answer must contain `text`.
    pub(crate) fn says(mut self, text: impl Into<String>) -> Self {
        self.sanity.push(text.into());
        self
    }

    /// The status of the bare app's first answer.
    pub(crate) fn status(self, status: u16) -> Self {
        self.says(format!("HTTP/1.1 {status} "))
    }

    pub(crate) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Sends a request and reads its response.
    pub(crate) fn exchange(self, request: &Request) -> Self {
        let asked = match request.is_head() {
            true => Asked::HeadOnly,
            false => Asked::Body,
        };
        self.send(request.bytes()).step(Step::Response(asked))
    }

    pub(crate) fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Send(bytes.into()))
    }

    pub(crate) fn send_in_background(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::SendInBackground(bytes.into()))
    }

    /// Sends each piece once the server has seen the one before.
    pub(crate) fn send_slowly<P: Into<Vec<u8>>>(self, pieces: impl IntoIterator<Item = P>) -> Self {
        pieces.into_iter().fold(self, |case, piece| {
            case.send(piece).step(Step::LetServerSee)
        })
    }

    pub(crate) fn let_server_see(self) -> Self {
        self.step(Step::LetServerSee)
    }

    pub(crate) fn elsewhere(self, request: Request) -> Self {
        let request = request.header("Connection", "close");
        self.step(Step::Elsewhere(request.bytes()))
    }

    pub(crate) fn wait_for(self, mark: impl Into<Vec<u8>>) -> Self {
        self.step(Step::WaitFor(mark.into()))
    }

    pub(crate) fn response(self) -> Self {
        self.step(Step::Response(Asked::Body))
    }

    pub(crate) fn interim(self) -> Self {
        self.step(Step::Interim)
    }

    pub(crate) fn bytes(self, count: usize) -> Self {
        self.step(Step::Bytes(count))
    }

    pub(crate) fn half_close(self) -> Self {
        self.step(Step::HalfClose)
    }

    pub(crate) fn end(self) -> Self {
        self.step(Step::End)
    }

    pub(crate) fn leave(self) -> Self {
        self.step(Step::Leave)
    }
}
