//! The stream of server-sent events that one viewer gets.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use actix_web::web::Bytes;
use futures_core::Stream;
use futures_util::{
    future::{Either, select},
    stream::unfold,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::hub::Viewer;
use crate::core::Core;

/// What a stream yields; nothing can go wrong on this side of it.
pub(super) type Event = Result<Bytes, Infallible>;

/// Tells a browser to come back after half a second when the stream has ended.
const OPENING: &[u8] = b"retry: 500\n\n";

/// A comment, which a browser passes over; a proxy sees that the connection is in use.
const KEEP_ALIVE: &[u8] = b": still here\n\n";

/// After so long without a state a comment is sent.
const SILENCE: Duration = Duration::from_secs(10);

/// No stream lasts longer, if its client reads. A server that is stopped by its own handle tells no response of it and
/// waits for all of them, by default for 30 seconds.
///
/// Like the end of the server it is seen when the stream is asked for more, and while a client takes nothing, actix asks
/// for nothing: such a stream ends with its connection. It does not keep its place so long, see [`Desk`](super::desk::Desk).
pub(super) const LONGEST: Duration = Duration::from_secs(20);

/// What one stream needs.
struct Feed {
    viewer: Viewer,
    opened: bool,
    over: Pin<Box<dyn Future<Output = ()>>>,
}

/// All states from now on, until the server is about to end.
pub(super) fn stream(mut viewer: Viewer, core: &Arc<Core>) -> impl Stream<Item = Event> + use<> {
    viewer.look_back();
    let ending = core.underway.ending();
    let end = Instant::now() + LONGEST;
    let over = Box::pin(async move {
        select(Box::pin(ending), Box::pin(sleep_until(end))).await;
    });
    let feed = Feed {
        viewer,
        opened: false,
        over,
    };
    unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    })
}

impl Feed {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.opened {
            self.opened = true;
            return Some(Bytes::from_static(OPENING));
        }
        let Self { viewer, over, .. } = self;
        let state = Box::pin(viewer.next());
        let state_or_silence = select(state, Box::pin(sleep(SILENCE)));
        match select(over, state_or_silence).await {
            Either::Left(((), _)) => None,
            Either::Right((Either::Left((frame, _)), _)) => frame.map(|frame| frame.event()),
            Either::Right((Either::Right(((), _)), _)) => Some(Bytes::from_static(KEEP_ALIVE)),
        }
    }
}
