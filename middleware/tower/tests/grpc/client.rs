//! The client: tonic's own, on a thread of the test.

use std::{future::Future, net::SocketAddr};

use futures_util::{Stream, stream};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
    time::timeout,
};
use tonic::{
    IntoStreamingRequest, Request, Response, Status, Streaming,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tower_offload::{Offload, Placement};

use crate::{
    codec::{Message, Raw},
    server::place_of,
    wait::HANG,
};

/// As little of a stream as HTTP/2 lets a server send before the client reads.
const WINDOW: u32 = (64 << 10) - 1;

pub(crate) struct Client {
    runtime: Runtime,
    pub(crate) channel: Channel,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        // Of another thread, so that calls go on while the test waits for something else.
        let mut thread = Builder::new_multi_thread();
        let runtime = thread.worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a thread");
        let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("an address");
        let endpoint = endpoint.initial_stream_window_size(WINDOW);
        let channel = runtime.block_on(async { endpoint.connect_lazy() });
        Self { runtime, channel }
    }

    pub(crate) fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        let answered = async { timeout(HANG, asked).await };
        self.runtime.block_on(answered).expect("no hang")
    }

    pub(crate) fn one(&self, method: &str, message: &[u8]) -> Result<Response<Message>, Status> {
        self.wait(one(
            self.channel.clone(),
            method.to_owned(),
            Request::new(message.to_vec()),
        ))
    }

    /// Begins a call; to abort it is to leave.
    pub(crate) fn begin(&self, method: &str) -> Call {
        self.begin_with(method, Request::new(b"x".to_vec()))
    }

    pub(crate) fn begin_with(&self, method: &str, request: Request<Message>) -> Call {
        let asked = one(self.channel.clone(), method.to_owned(), request);
        self.runtime.spawn(asked)
    }

    /// Asks until the method has been learned.
    pub(crate) fn until_placed(&self, offload: &Offload, method: &str, placement: Placement) {
        crate::wait::wait_until(&format!("{method} on the {placement}"), || {
            self.one(method, b"x").expect("an answer");
            place_of(offload, method) == Some(placement)
        });
    }
}

pub(crate) type Call = JoinHandle<Result<Response<Message>, Status>>;

async fn one(
    channel: Channel,
    method: String,
    request: Request<Message>,
) -> Result<Response<Message>, Status> {
    let mut grpc = ready(channel).await?;
    grpc.unary(request, path(&method), Raw).await
}

/// A call of any kind: on the wire they are all alike.
pub(crate) async fn any(
    channel: Channel,
    method: &str,
    request: impl IntoStreamingRequest<Message = Message, Stream: 'static>,
) -> Result<Response<Streaming<Message>>, Status> {
    let mut grpc = ready(channel).await?;
    let request = request.into_streaming_request();
    grpc.streaming(request, path(method), Raw).await
}

pub(crate) fn messages(all: Vec<Message>) -> impl Stream<Item = Message> + Send + 'static {
    stream::iter(all)
}

async fn ready(channel: Channel) -> Result<Grpc<Channel>, Status> {
    let mut grpc = Grpc::new(channel);
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(grpc)
}

fn path(method: &str) -> http::uri::PathAndQuery {
    // One with a slash names its service itself.
    let own = if method.contains('/') {
        ""
    } else {
        "/test.Work/"
    };
    format!("{own}{method}").parse().expect("a path")
}
