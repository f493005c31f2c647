//! The service: each kind of call, light and heavy. Written by hand, because a compiler of protocols is no tool of this repository.

use std::{
    convert::Infallible,
    future::{Ready, pending, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use offload_tests::work::burn;
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    codegen::BoxFuture,
    metadata::MetadataMap,
    server::{Grpc, NamedService},
};
use tower::{Service, service_fn};

use crate::codec::{Message, Raw};

type Messages = Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>;

/// What a heavy step costs: far more than the budget of [`rules`](crate::server::rules).
pub(crate) const HEAVY: Duration = Duration::from_millis(15);

/// The size of one message of `Grind`, of which few fill a window of HTTP/2.
pub(crate) const PIECE: usize = 16 << 10;

/// The first byte of a message that stops a stream.
pub(crate) const STOP: u8 = b'!';

/// What the service shows of itself.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The methods that have begun, and the marks of their ends.
    marks: Mutex<Vec<&'static str>>,
    /// The thread of each message that `Grind` has made.
    made: Mutex<Vec<String>>,
    /// Lets those go that compute until then.
    pub(crate) go: AtomicBool,
}

impl Seen {
    pub(crate) fn count(&self, mark: &str) -> usize {
        let marks = self.marks.lock().expect("no panic");
        marks.iter().filter(|seen| **seen == mark).count()
    }

    pub(crate) fn made(&self) -> Vec<String> {
        self.made.lock().expect("no panic").clone()
    }

    fn mark(&self, mark: &'static str) {
        self.marks.lock().expect("no panic").push(mark);
    }
}

/// Marks its own end, however that comes.
struct Ends(Arc<Seen>, &'static str);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.mark(self.1);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Work(pub(crate) Arc<Seen>);

impl NamedService for Work {
    const NAME: &'static str = "test.Work";
}

impl Service<http::Request<Body>> for Work {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let seen = Arc::clone(&self.0);
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw);
            let method = request.uri().path().rsplit('/').next().unwrap_or_default();
            let method = method.to_owned();
            Ok(match method.as_str() {
                "Echo" | "Sum" | "Fail" | "Panic" | "Hold" | "Until" | "Await" => {
                    let asked = |message| one(method.clone(), message, Arc::clone(&seen));
                    grpc.unary(service_fn(asked), request).await
                }
                "Count" | "Grind" => {
                    let asked = |message| many(method == "Grind", message, Arc::clone(&seen));
                    grpc.server_streaming(service_fn(asked), request).await
                }
                "Join" | "Hash" => {
                    let asked = |messages| joined(method == "Hash", messages);
                    grpc.client_streaming(service_fn(asked), request).await
                }
                "Talk" | "Chew" => {
                    let asked = |messages| talked(method == "Chew", messages);
                    grpc.streaming(service_fn(asked), request).await
                }
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

async fn one(
    method: String,
    request: Request<Message>,
    seen: Arc<Seen>,
) -> Result<Response<Message>, Status> {
    let (asked, _, message) = request.into_parts();
    let answer = match method.as_str() {
        "Echo" => message,
        "Sum" => {
            seen.mark("Sum");
            burn(HEAVY);
            let sum: u64 = message.into_iter().map(u64::from).sum();
            sum.to_be_bytes().to_vec()
        }
        "Fail" => {
            if message == b"late" {
                burn(HEAVY);
            }
            return Err(failure());
        }
        "Panic" => panic!("as it was asked to"),
        "Hold" => {
            seen.mark("Hold");
            while !seen.go.load(Ordering::Relaxed) {
                burn(Duration::from_millis(1));
            }
            message
        }
        "Until" => {
            seen.mark("Until");
            while !tower_offload::is_cancelled() {
                burn(Duration::from_millis(1));
            }
            seen.mark("Until cancelled");
            message
        }
        _ => {
            let _ends = Ends(Arc::clone(&seen), "Await dropped");
            burn(HEAVY);
            seen.mark("Await");
            pending().await
        }
    };
    let mut response = Response::new(answer);
    mirror(&asked, response.metadata_mut());
    Ok(response)
}

/// As many messages as the first byte says, times ten. One that begins with [`STOP`] fails after them, and of `!!` panics.
fn many(
    heavy: bool,
    request: Request<Message>,
    seen: Arc<Seen>,
) -> Ready<Result<Response<Messages>, Status>> {
    let asked = request.into_inner();
    let count = 10 * u32::from(asked.first().copied().unwrap_or_default());
    let end = match asked.get(1..) {
        Some([STOP, STOP]) => Some(true),
        Some([STOP]) => Some(false),
        _ => None,
    };
    let numbers = stream::iter(0..count).map(move |number| {
        let mut message = number.to_be_bytes().to_vec();
        if heavy {
            burn(HEAVY / 3);
            message.resize(PIECE, 0);
            let name = thread::current().name().unwrap_or_default().to_owned();
            seen.made.lock().expect("no panic").push(name);
        }
        Ok(message)
    });
    let end = stream::iter(end).map(|panics| {
        assert!(!panics, "as it was asked to");
        Err(failure())
    });
    let messages: Messages = Box::pin(numbers.chain(end));
    ready(Ok(Response::new(messages)))
}

/// All messages as one.
async fn joined(
    heavy: bool,
    request: Request<Streaming<Message>>,
) -> Result<Response<Message>, Status> {
    let (asked, _, mut messages) = request.into_parts();
    let mut all = Vec::new();
    while let Some(message) = messages.try_next().await? {
        if heavy {
            burn(HEAVY);
        }
        if message.first() == Some(&STOP) {
            return Err(failure());
        }
        all.extend(message);
    }
    let mut response = Response::new(all);
    mirror(&asked, response.metadata_mut());
    Ok(response)
}

/// Each message backwards, at once.
fn talked(
    heavy: bool,
    request: Request<Streaming<Message>>,
) -> Ready<Result<Response<Messages>, Status>> {
    let (asked, _, messages) = request.into_parts();
    let answers = messages.map(move |message| {
        let mut message = message?;
        if heavy {
            burn(HEAVY);
        }
        if message.first() == Some(&STOP) {
            return Err(failure());
        }
        message.reverse();
        Ok(message)
    });
    let answers: Messages = Box::pin(answers);
    let mut response = Response::new(answers);
    mirror(&asked, response.metadata_mut());
    ready(Ok(response))
}

/// What was asked with is answered with.
fn mirror(asked: &MetadataMap, answer: &mut MetadataMap) {
    if let Some(text) = asked.get("x-ask") {
        answer.insert("x-answer", text.clone());
    }
    if let Some(bytes) = asked.get_bin("x-ask-bin") {
        answer.insert_bin("x-answer-bin", bytes.clone());
    }
}

fn failure() -> Status {
    let mut more = MetadataMap::new();
    more.insert("x-why", "because".parse().expect("plain"));
    let details = bytes::Bytes::from_static(b"\x00in detail\xff");
    Status::with_details_and_metadata(Code::FailedPrecondition, "not so, 100 %", details, more)
}
