//! How the requests of one route are served among all that wait for the lanes.

use std::time::Duration;

use offload_core::{
    admission::{Flow, Rank, Weight},
    routes::Route,
};

/// How the requests of one route are served on the lanes; see [`OffloadBuilder::serve`](crate::OffloadBuilder::serve).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Serving {
    weight: Weight,
    rank: Rank,
    patience: Option<Duration>,
}

impl Serving {
    /// As every route is served: with the same weight as the others, in the middle rank, with the default patience.
    pub fn new() -> Self {
        Self::default()
    }

    /// The route's share of the lanes' CPU time while several routes want more than there is, in proportion to the weights of
    /// the others.
    pub fn weight(mut self, weight: Weight) -> Self {
        self.weight = weight;
        self
    }

    /// Whether it comes before or after the others in any case. Lower ranks get what the higher ones leave, which may be
    /// nothing.
    pub fn rank(mut self, rank: Rank) -> Self {
        self.rank = rank;
        self
    }

    /// How long its requests may wait for a lane, whatever they cost, before they are refused.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    pub(crate) fn apply(self, route: &Route) {
        route.set_flow(Flow::new(self.weight, self.rank));
        if let Some(patience) = self.patience {
            route.set_patience(patience);
        }
    }
}
