//! Serialises a response, on a lane if it turns out to be large.
//!
//! How large a value will be is known only by serialising it, so the event loop begins, into a buffer
//! that is full at the threshold. What fits is sent as it is; what does not is begun anew on a lane
//! and follows as a stream.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::{BodySize, BoxBody, MessageBody},
    error::JsonPayloadError,
    http::header::ContentType,
    web::Bytes,
};
use serde::Serialize;

use super::{Json, JsonConfig, lanes, on_event_loop};

impl<T: Serialize + Send + Unpin + 'static> Responder for Json<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<BoxBody> {
        let room = if on_event_loop() {
            JsonConfig::of(request).threshold
        } else {
            usize::MAX
        };
        let mut buffer = Buffer {
            bytes: Vec::with_capacity(128),
            room,
        };
        let body = match serde_json::to_writer(&mut buffer, &self.0) {
            Ok(()) => BoxBody::new(buffer.bytes),
            Err(error) if error.is_io() => BoxBody::new(LateJson::Waiting(Some(self.0))),
            Err(error) => {
                return HttpResponse::from_error(JsonPayloadError::Serialize(error));
            }
        };
        HttpResponse::Ok()
            .insert_header(ContentType::json())
            .body(body)
    }
}

/// A buffer that refuses to grow over its room.
struct Buffer {
    bytes: Vec<u8>,
    room: usize,
}

impl io::Write for Buffer {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(more.len()) > self.room {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A body that is serialised on a lane once the connection asks for it.
enum LateJson<T> {
    Waiting(Option<T>),
    Running(offload_core::Run<serde_json::Result<Vec<u8>>>),
    Sent,
}

impl<T: Serialize + Send + Unpin + 'static> MessageBody for LateJson<T> {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if let Self::Waiting(value) = this {
            let value = value.take().expect("taken once");
            // The value is dropped on the lane too.
            let run = lanes()?.run(move || serde_json::to_vec(&value));
            *this = Self::Running(run);
        }
        let Self::Running(run) = this else {
            return Poll::Ready(None);
        };
        let serialised = ready!(Pin::new(run).poll(cx));
        *this = Self::Sent;
        Poll::Ready(Some(match serialised {
            Ok(Ok(json)) => Ok(json.into()),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }))
    }
}
