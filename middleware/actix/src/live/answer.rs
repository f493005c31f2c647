//! What the page's resources answer, and the headers that all of the answers have.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode,
        header::{self, HeaderName},
    },
    web::Bytes,
};
use futures_util::stream;
use tokio::time::timeout;

use super::{Shared, assets, events, hub::Crowded};
use crate::core::Core;

/// Nothing but what comes from here, nothing inside of the page's own text, and nobody puts it into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// How soon a viewer shall come back for whom there was no room, in seconds.
const COME_BACK: &str = "5";

/// What a resource has to say.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The page, whose links begin with this.
    Page {
        below: &'static str,
    },
    Style,
    Script,
    Module,
    State,
    Events,
}

/// Answers one request to the page or what belongs to it.
pub(super) async fn answer(shared: Shared, request: HttpRequest, what: What) -> HttpResponse {
    if let Some(allow) = &shared.allow
        && !allow(request.head())
    {
        return plain(StatusCode::FORBIDDEN, "forbidden\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
        let allowed = header::HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(header::ALLOW, allowed);
        return answer;
    }
    match what {
        What::Page { below } => text(HTML, assets::page(below)),
        What::Style => text(CSS, assets::STYLE),
        What::Script => text(JS, assets::SCRIPT),
        What::Module => match assets::module(request.match_info().query("module")) {
            Some(module) => text(JS, module),
            None => plain(StatusCode::NOT_FOUND, "not found\n"),
        },
        What::State | What::Events => {
            // It is the plugin's app that answers, so the plugin is only gone if the process is about to be.
            let Some(core) = shared.core.upgrade() else {
                return later();
            };
            match what {
                What::State => state(&core).await,
                _ => live_events(&core, request.method() == Method::HEAD),
            }
        }
    }
}

async fn state(core: &Arc<Core>) -> HttpResponse {
    let Ok(viewer) = core.live.join(core) else {
        return later();
    };
    // Longer than that nobody counts as one who looks on, and then nobody might make a state any more.
    match timeout(events::LONGEST, viewer.fresh()).await {
        Ok(Some(frame)) => text(JSON, frame.json()),
        Ok(None) | Err(_) => later(),
    }
}

fn live_events(core: &Arc<Core>, head_only: bool) -> HttpResponse {
    let mut answer = with_headers(StatusCode::OK, EVENTS);
    answer
        // A connection that outlived the stream would hold up the server's end as much as the stream.
        .force_close()
        // Whatever compresses or collects responses keeps its hands off.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"));
    if head_only {
        return answer.streaming(stream::empty::<events::Event>());
    }
    if core.underway.is_ending() {
        return later();
    }
    match core.live.join(core) {
        Ok(viewer) => answer.streaming(events::stream(viewer, core)),
        Err(Crowded) => later(),
    }
}

/// 503: there are too many viewers, or the server is about to end.
fn later() -> HttpResponse {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, "try again later\n");
    let seconds = header::HeaderValue::from_static(COME_BACK);
    answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    answer
}

fn plain(status: StatusCode, body: &'static str) -> HttpResponse {
    with_headers(status, TEXT).body(body)
}

fn text(content_type: &'static str, body: impl Into<Bytes>) -> HttpResponse {
    with_headers(StatusCode::OK, content_type).body(body.into())
}

fn with_headers(status: StatusCode, content_type: &'static str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    answer
}
