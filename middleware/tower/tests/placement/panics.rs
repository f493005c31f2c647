//! A panic is an answer on both sides, wherever in the app it comes from, and is counted once.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, Response},
    routing::get,
};
use futures_util::{StreamExt, stream};
use http_body::{Body as _, Frame, SizeHint};
use offload_tests::{client::Client, response::Completeness};
use tower::{Layer, Service, ServiceExt};
use tower_offload::Placement;

use crate::{
    direct::{Answer, Empty, empty},
    site::{ON_PURPOSE, Site, builder, lanes, quiet, report},
};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{ON_PURPOSE}: a bomb");
    }
}

/// A body that panics where it is asked something.
struct Explosive {
    frame: Option<Bytes>,
    asked: Where,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    End,
    Size,
    Frame,
    Drop,
}

impl Explosive {
    fn body(asked: Where) -> Body {
        Body::new(Self {
            frame: Some(Bytes::from("half")),
            asked,
        })
    }

    fn ask(&self, now: Where) {
        assert!(self.asked != now, "{ON_PURPOSE}: a body");
    }
}

impl http_body::Body for Explosive {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = self.frame.take();
        if frame.is_none() {
            self.ask(Where::Frame);
        }
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.ask(Where::End);
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.ask(Where::Size);
        SizeHint::default()
    }
}

impl Drop for Explosive {
    fn drop(&mut self) {
        self.ask(Where::Drop);
    }
}

fn app() -> Router {
    let handler = |then: fn() -> Body, awaits: bool| {
        get(async move || {
            if awaits {
                tokio::task::yield_now().await;
            }
            then()
        })
    };
    let panics = || -> Body { panic!("{ON_PURPOSE}: a handler") };
    let streams = || {
        let rest = stream::once(async {
            tokio::task::yield_now().await;
            panic!("{ON_PURPOSE}: a stream")
        });
        let half = stream::iter([Ok::<_, io::Error>(Bytes::from("half"))]);
        Body::from_stream(half.chain(rest))
    };
    let destructor = get(async || {
        let _bomb = Bomb;
        tokio::task::yield_now().await;
        "never"
    });
    Router::new()
        .route("/plain", get(async || "plain"))
        .route("/handler", handler(panics, false))
        .route("/later", handler(panics, true))
        .route("/destructor", destructor)
        .route("/stream", handler(streams, false))
        .route("/body-end", handler(|| Explosive::body(Where::End), false))
        .route(
            "/body-size",
            handler(|| Explosive::body(Where::Size), false),
        )
        .route(
            "/body-frame",
            handler(|| Explosive::body(Where::Frame), false),
        )
        .route(
            "/body-drop",
            handler(|| Explosive::body(Where::Drop), false),
        )
}

#[test]
fn wherever_an_app_panics_its_server_lives_on() {
    quiet();
    let answers = [
        "/handler",
        "/later",
        "/destructor",
        "/body-end",
        "/body-size",
    ];
    // Their heads are sent by then.
    let breaks = ["/stream", "/body-frame"];
    for placement in [Placement::Loop, Placement::Lane] {
        let all = answers
            .iter()
            .chain(&breaks)
            .chain(&["/plain", "/body-drop"]);
        let pinned = all.fold(builder(lanes()), |builder, path| {
            builder.pin("GET", path, placement)
        });
        let site = Site::with(pinned, app());
        for path in answers {
            assert_eq!(site.get(path).status(), 500, "{placement:?} {path}");
        }
        for path in breaks {
            // hyper may not have sent the head yet.
            if let Ok(broken) = Client::new(site.addr).get(path) {
                assert_eq!(broken.completeness, Completeness::Cut);
            }
        }
        for path in answers.iter().chain(&breaks) {
            assert_eq!(site.report(path).panics, 1, "{placement:?} {path}");
        }
        // On a worker hyper drops it.
        if placement == Placement::Lane {
            assert_eq!(site.get("/body-drop").body, b"half");
            assert_eq!(site.report("/body-drop").panics, 1);
        }
        assert_eq!(site.get("/plain").body, b"plain");
    }
}

/// Panics when it is called.
#[derive(Clone)]
struct Falls;

impl Service<Request<Empty>> for Falls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Pending<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        panic!("{ON_PURPOSE}: a call")
    }
}

#[tokio::test]
async fn a_service_that_panics_when_called_is_answered_for() {
    quiet();
    for placement in [Placement::Loop, Placement::Lane] {
        let pinned = builder(lanes()).pin("GET", "/", placement);
        let offload = pinned.build().expect("lanes");
        let layered = offload.layer_by(|_| Some("/")).layer(Falls);
        for _ in 0..2 {
            let answer = layered
                .clone()
                .oneshot(empty("/"))
                .await
                .expect("an answer");
            assert_eq!(answer.status(), 500);
            assert!(answer.into_body().is_end_stream());
        }
        assert_eq!(report(&offload, "/").panics, 2);
    }
}
