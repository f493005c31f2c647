//! Decides where a request runs, by what is known of its route.

use offload_core::{
    cost::SizeBucket,
    placement::{Placement, Policy},
};
use offload_http::decisions::place_unknown;

use super::context::LoopContext;
use crate::app_routes::{Prediction, Published, Slot, View};

/// Where a request runs.
pub(super) enum Place {
    Loop,
    /// On a lane, by what is known of this route.
    Lane(Option<Slot>),
}

impl LoopContext {
    /// Where a request of that prediction runs.
    #[inline]
    pub(super) fn place(
        &self,
        view: &View,
        predicted: Option<Prediction>,
        bucket: SizeBucket,
        upgrade: bool,
    ) -> Place {
        let published = &view.published;
        let rules = self.core.table.rules();
        let Some(Prediction { slot, other, .. }) = predicted else {
            return match place_unknown(rules) {
                Placement::Loop => Place::Loop,
                Placement::Lane => Place::Lane(None),
            };
        };
        let is_on_lane = |slot: &Slot| {
            let known = published.route(*slot);
            let placement = known.map_or_else(|| place_unknown(rules), |route| route.place(bucket));
            placement == Placement::Lane
        };
        // An upgrade works on either side, and what a client asks for does not outrank what is known.
        if upgrade && self.is_unknown_handshake(published, slot) {
            return Place::Lane(Some(slot));
        }
        // Where it cannot be foreseen which of both it is, a lane is right for either.
        if let Some(slot) = Some(slot).filter(is_on_lane).or(other.filter(is_on_lane)) {
            return Place::Lane(Some(slot));
        }
        if published.route(slot).is_none() {
            // Nothing but a setting leads here, and once per route: it has to be opened for its runs to be counted.
            self.routes.shared().open(published, slot);
        }
        Place::Loop
    }

    /// Whether nobody has said, and no request has shown, what becomes of a request for an upgrade.
    fn is_unknown_handshake(&self, published: &Published, slot: Slot) -> bool {
        let is_pinned = || {
            let route = published.route(slot);
            route.is_some_and(|route| route.pinned_by().is_some())
        };
        let learned = self.core.table.rules().policy == Policy::Learned;
        learned && !published.has_shaken_hands(slot) && !is_pinned()
    }
}
