//! Gets a request ready for the lanes: on what terms it comes, who waits for it, and how much of its body goes along.

use std::{any::Any, mem, rc::Rc, sync::Arc};

use actix_http::{Payload, Request, RequestHead, Response, header};
use offload_core::{
    Terms,
    cost::{BodySize, SizeBucket},
    routes::Route,
};
use offload_http::spans::{Line, Traced};
use tokio::sync::oneshot;

use super::{
    call::{Bound, Caller, Framing, LaneCall, nobody},
    client::Client,
    context::Handshake,
    terms,
};
use crate::{
    answers,
    core::Core,
    declared::declared_size,
    hop::{
        body::OffloadBody,
        payload::{Ahead, comes_along},
        reply::own,
    },
    lane_side::job::LaneSide,
};

/// Gives a request to the lanes, or has it wait for its body before that. `hold` is kept until it is answered.
///
/// # Errors
///
/// The answer to a request that no lane takes.
pub(super) fn to_lane(
    core: &Arc<Core>,
    (app, hold): (Arc<dyn LaneSide>, Rc<dyn Any>),
    mut request: Request,
    route: Option<Arc<Route>>,
    bucket: SizeBucket,
    handshake: Option<Handshake>,
) -> Result<LaneCall, Response<OffloadBody>> {
    let client = Client::of(&request);
    if client.is_gone() {
        return Err(nobody());
    }
    let (terms, key) = terms::of_request(core, request.head(), route.as_ref(), bucket)
        .map_err(|header| own(answers::bad_deadline(&header)))?;
    let head = request.head();
    let line = Line {
        method: head.method.as_str(),
        path: Some(head.uri.path()),
    };
    let hook = core.request_span.as_ref().map(|make| || make(head));
    let traced = Traced::of(line, route.as_ref(), hook);
    let head = mem::take(request.head_mut());
    let payload = request.take_payload();
    let framing = match (&payload, head.headers.contains_key(header::CONTENT_LENGTH)) {
        (Payload::H1 { .. }, true) => Framing::Length,
        (Payload::H1 { .. }, false) => Framing::Chunked,
        _ => Framing::Independent,
    };
    let (sender, reply) = oneshot::channel();
    let caller = Caller {
        reply,
        client,
        framing,
        handshake,
        route,
        core: Arc::clone(core),
        pass: Some(core.underway.enter(hold)),
        fate: traced.fate(),
    };
    let body = match payload {
        Payload::None => Body::None,
        payload => along(core, &head, payload, &terms),
    };
    let bound = Bound {
        app,
        head,
        bucket,
        key,
        terms,
        traced,
        reply: sender,
    };
    let (pump, payload) = match body {
        Body::Ahead(ahead) => return Ok(LaneCall::looking(ahead, bound, caller)),
        Body::Behind(ahead) => {
            let (pump, payload) = ahead.split();
            (Some(pump), Some(payload))
        }
        Body::None => (None, None),
    };
    match bound.submit(&caller, payload) {
        Ok(job) => Ok(LaneCall::submitted(job, pump, caller)),
        Err(delay) => Err(caller.refused(delay)),
    }
}

/// What of its body comes to a lane together with a request, if it comes soon.
enum Body {
    None,
    /// All of it, or as much as may.
    Ahead(Ahead),
    /// Nothing.
    Behind(Ahead),
}

/// How much of its body a request waits for.
fn along(core: &Core, head: &RequestHead, payload: Payload, terms: &Terms) -> Body {
    let declared = declared_size(false, &head.headers);
    if comes_along(declared) {
        return Body::Ahead(Ahead::new(payload));
    }
    // The patience of one with a deadline is the client's, which counts from now on.
    let has_deadline = |header| head.headers.contains_key(header);
    if let BodySize::Known(bytes) = declared
        && !core.deadline_header.as_ref().is_some_and(has_deadline)
        && let Some(share) = core.read_ahead.take(bytes)
        // Nothing is read of what would be refused.
        && core.lanes.would_take(terms)
    {
        return Body::Ahead(Ahead::long(payload, share));
    }
    Body::Behind(Ahead::new(payload))
}
