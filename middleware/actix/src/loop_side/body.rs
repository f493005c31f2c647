//! Measures a response body that is made on the event loop, chunk by chunk, and contains its panics.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use pin_project_lite::pin_project;

use super::{
    context::Visit,
    pace::{Pace, Ticket},
};
use crate::{hop::stream::BodyError, panics};

pin_project! {
    /// A body that is made on the event loop, where each of its polls is measured.
    pub struct MeteredBody<B> {
        // `None` once it has panicked.
        #[pin]
        body: Option<B>,
        visit: Option<Visit>,
        ticket: Ticket,
    }

    impl<B> PinnedDrop for MeteredBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(visit) = this.visit.take() {
                panics::contain(visit.route(), || this.body.set(None));
            }
        }
    }
}

impl<B> MeteredBody<B> {
    pub(crate) fn metered(body: B, visit: &Visit) -> Self {
        Self {
            body: Some(body),
            visit: Some(visit.clone()),
            ticket: Ticket::default(),
        }
    }

    /// A body that somebody else measures.
    pub(crate) fn plain(body: B) -> Self {
        Self {
            body: Some(body),
            visit: None,
            ticket: Ticket::default(),
        }
    }
}

impl<B: MessageBody> MessageBody for MeteredBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.as_ref().map_or(BodySize::None, B::size)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let Some(visit) = this.visit else {
            let item = ready!(body.poll_next(cx));
            return Poll::Ready(item.map(|item| item.map_err(Into::into)));
        };
        let paced = visit.is_paced();
        ready!(this.ticket.poll(paced, cx));
        let poll = || catch_unwind(AssertUnwindSafe(|| body.poll_next(cx)));
        let (polled, reading) = visit.measured(poll);
        visit.body_polled(reading);
        let heavy = visit.is_heavy(reading);
        if paced || heavy {
            Pace::here().polled(heavy);
        }
        match polled {
            Ok(polled) => polled.map(|item| item.map(|item| item.map_err(Into::into))),
            Err(panic) => {
                panics::log(visit.route(), &*panic);
                panics::contain(visit.route(), || this.body.set(None));
                Poll::Ready(Some(Err(BodyError::Panicked.into())))
            }
        }
    }

    fn try_into_bytes(mut self) -> Result<Bytes, Self> {
        let Some(body) = self.body.take() else {
            return Err(self);
        };
        body.try_into_bytes().map_err(|body| {
            self.body = Some(body);
            self
        })
    }
}

impl<B: fmt::Debug> fmt::Debug for MeteredBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MeteredBody").field(&self.body).finish()
    }
}
