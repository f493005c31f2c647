//! The response on its way back from a lane: its head by value, its body, and how the run went.

use std::time::Duration;

use actix_http::{ResponseHead, StatusCode};
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::Response,
    web::Bytes,
};

use super::{
    body::{LaneBody, OffloadBody},
    stream::BatchSender,
};

/// What comes back from a lane for one request.
pub(crate) struct Reply {
    pub(crate) head: ResponseHead,
    pub(crate) body: LaneBody,
    pub(crate) request_body: RequestBody,
    /// The lane thread's name.
    pub(crate) thread: Option<String>,
    /// From the submit to the first poll, wall time.
    pub(crate) queued: Duration,
    /// From the first poll to the response head, wall time.
    pub(crate) ran: Duration,
}

/// What a handler has made of its request body by the time that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestBody {
    /// It has looked at it, or it has waited for something, and without the plugin actix would have decoded
    /// the body meanwhile.
    Decoded,
    /// It answered in its very first poll without a look, but may still read it. Without the plugin actix
    /// could not have decoded the body by then and would close the connection.
    Held,
    /// As `Held`, but nobody is left to read it.
    Dropped,
    /// It was read before the handler asked for it, which has left more of it than actix would have decoded by then.
    /// Without the plugin actix would close the connection.
    Left,
}

/// The part of a response body that has to follow after the head.
pub(crate) type Tail<B> = (B, BatchSender);

/// What can cross threads of a response now, and what has to follow.
pub(crate) type Parts<B> = (ResponseHead, LaneBody, Option<Tail<B>>);

/// Takes a response apart. Drops whatever else it holds.
pub(crate) fn disassemble<B: MessageBody>(response: Response<B>) -> Parts<B> {
    let mut parts = None;
    response.map_body(|head, body| {
        let head = std::mem::replace(head, ResponseHead::new(StatusCode::OK));
        parts = Some((head, body));
    });
    let (head, body) = parts.expect("`map_body` has called the closure");
    let size = body.size();
    match body.try_into_bytes() {
        Ok(bytes) => (head, LaneBody::complete(size, bytes), None),
        Err(_) if matches!(size, BodySize::None | BodySize::Sized(0)) => {
            let bytes = Bytes::new();
            (head, LaneBody::complete(size, bytes), None)
        }
        Err(body) => {
            let (sender, stream) = LaneBody::stream(size);
            (head, stream, Some((body, sender)))
        }
    }
}

/// A response of the plugin's own.
pub(crate) fn own(response: Response<BoxBody>) -> Response<OffloadBody> {
    let (head, body, _) = disassemble(response);
    assemble(head, OffloadBody::new(body))
}

/// Puts a response together again on the event loop.
pub(crate) fn assemble(head: ResponseHead, body: OffloadBody) -> Response<OffloadBody> {
    let mut response = Response::with_body(head.status, body);
    *response.head_mut() = head;
    response
}
