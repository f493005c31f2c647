//! A request on a lane as the cost model sees it: whose run it is, and what of it counts.

use std::{any::Any, sync::Arc, time::Duration};

use actix_http::{Method, Uri};
use actix_web::dev::ServiceResponse;
use offload_core::{
    JobKey,
    cost::SizeBucket,
    placement::Placement,
    routes::{PinSource, Route},
};
use offload_http::decisions::{self, on_lane};

use crate::{
    app_routes::{AppRoutes, Went},
    core::Core,
};

/// The request as the model sees it.
pub(super) struct Subject {
    pub(super) core: Arc<Core>,
    pub(super) route: Option<Arc<Route>>,
    pub(super) bucket: SizeBucket,
    pub(super) key: JobKey,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) expected: Expected,
}

/// What the request says of the route that it was expected to have.
pub(super) enum Expected {
    Open,
    /// It was this one.
    Right,
    /// It was another one, and nothing had said so.
    Mistaken(Arc<Route>),
}

impl Subject {
    /// Finds the route by what actix made of the request, guards included.
    pub(super) fn learn<R: 'static, B: 'static>(&mut self, app: &Arc<AppRoutes>, response: &R) {
        let Some(response) = (response as &dyn Any).downcast_ref::<ServiceResponse<B>>() else {
            return self.find(app);
        };
        let request = response.request();
        app.learn(request.resource_map(), &self.core.lanes);
        let actual = request.match_pattern();
        if let Some(pattern) = &actual {
            app.met(pattern);
        }
        let published = app.published();
        let Some(predicted) = published.predict(&self.method, &self.uri) else {
            let slot = published.slot_named(&self.method, actual.as_deref());
            self.route = slot.map(|slot| app.open(&published, slot));
            return;
        };
        let changed = request.uri().path() != self.uri.path();
        let went = Went::to(actual.as_deref(), changed, response.status());
        let settled = published.settle(predicted, &went);
        self.route = Some(app.open(&published, settled.slot));
        self.expected = if settled.mistaken {
            Expected::Mistaken(app.open(&published, predicted.slot))
        } else if settled.slot == predicted.slot {
            Expected::Right
        } else {
            Expected::Open
        };
    }

    pub(super) fn find(&mut self, app: &Arc<AppRoutes>) {
        if self.route.is_none() {
            let published = app.published();
            let predicted = published.predict(&self.method, &self.uri);
            self.route = predicted.map(|predicted| app.open(&published, predicted.slot));
        }
    }

    /// Takes in a run whose client left before its end. It might have cost more, but not less.
    pub(super) fn observe_left(&self, so_far: Duration, queued: Duration) {
        if so_far > self.core.table.rules().budget {
            self.observe_whole(so_far, queued, false);
        }
    }

    /// Takes in a run up to its response head.
    pub(super) fn observe_whole(&self, cost: Duration, queued: Duration, error: bool) {
        decisions::count_on_lane(
            &self.core.lanes,
            self.key,
            self.route.as_deref(),
            self.bucket,
            on_lane(cost, Some(queued)),
            error,
            self.core.table.rules().budget,
        );
        let Some(route) = &self.route else { return };
        match &self.expected {
            Expected::Open => {}
            Expected::Right => route.confirm(),
            Expected::Mistaken(expected) if route.place(self.bucket) == Placement::Lane => {
                expected.doubt();
            }
            Expected::Mistaken(_) => {}
        }
    }

    /// Takes in a chunk of a body, as a run of its own.
    pub(super) fn observe_chunk(&self, cost: Duration) {
        if let Some(route) = &self.route {
            route.observe(self.bucket, on_lane(cost, None));
        }
    }

    pub(super) fn pin(&self) {
        if let Some(route) = &self.route {
            route.pin(Placement::Lane, PinSource::Attribute);
        }
    }
}
