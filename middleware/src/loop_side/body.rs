//! Measures a response body that is made on the event loop, chunk by chunk.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use pin_project_lite::pin_project;

use super::context::Visit;

pin_project! {
    /// A body that is made on the event loop, where each of its polls is measured.
    #[derive(Debug)]
    pub struct MeteredBody<B> {
        #[pin]
        body: B,
        visit: Option<Visit>,
    }
}

impl<B> MeteredBody<B> {
    pub(crate) fn metered(body: B, visit: Visit) -> Self {
        let visit = Some(visit);
        Self { body, visit }
    }

    /// A body that somebody else measures.
    pub(crate) fn plain(body: B) -> Self {
        Self { body, visit: None }
    }
}

impl<B: MessageBody> MessageBody for MeteredBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        let Some(visit) = this.visit else {
            return this.body.poll_next(cx);
        };
        let (polled, reading) = visit.measured(|| this.body.poll_next(cx));
        visit.body_polled(reading);
        polled
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, visit } = self;
        body.try_into_bytes().map_err(|body| Self { body, visit })
    }
}
