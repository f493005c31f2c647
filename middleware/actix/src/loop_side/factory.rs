//! What `offload.app` gives, as the copies of it that a server has.

use std::sync::{Arc, OnceLock};

use super::service::OffloadApp;
use crate::{
    core::Core,
    lane_side::apps::{LaneApps, Owner},
    lifetime::{Crew, Member},
    local,
    maker::Maker,
};

/// One copy of the function that [`Offload::app`](crate::Offload::app) gives.
///
/// A server keeps one, which it copies for each of its workers and drops as the last thing before its future ends.
pub(crate) struct AppFactory<S, B> {
    maker: Maker<S>,
    core: Arc<Core>,
    owner: Arc<Owner<S, B>>,
    /// Those that work with copies of this one.
    crew: Arc<Crew>,
    /// The crew of the one that this is a copy of.
    of: Option<Arc<Crew>>,
    // Last, so that all else is gone for those who wait.
    member: OnceLock<Member>,
}

impl<S, B> AppFactory<S, B> {
    pub(crate) fn new(maker: Maker<S>, core: Arc<Core>) -> Self {
        let (routes, number) = core.new_app();
        let lane_apps = LaneApps::new(maker.clone(), routes, Arc::clone(&core.hurry));
        Self {
            maker,
            core,
            owner: Arc::new(Owner::new(Arc::new(lane_apps), number)),
            crew: Arc::default(),
            of: None,
            member: OnceLock::new(),
        }
    }

    /// An app for the calling thread.
    pub(crate) fn make(&self) -> OffloadApp<S, B> {
        if let Some(of) = &self.of {
            self.member.get_or_init(|| of.join());
        }
        OffloadApp::new(
            self.maker.clone(),
            Arc::clone(&self.core),
            Arc::clone(&self.owner),
            self.of.clone(),
        )
    }
}

impl<S, B> Clone for AppFactory<S, B> {
    fn clone(&self) -> Self {
        Self {
            maker: self.maker.clone(),
            core: Arc::clone(&self.core),
            owner: Arc::clone(&self.owner),
            crew: Arc::default(),
            of: Some(Arc::clone(&self.crew)),
            member: OnceLock::new(),
        }
    }
}

impl<S, B> Drop for AppFactory<S, B> {
    fn drop(&mut self) {
        // L3
        if local::record().is_some() || !self.crew.is_elsewhere() {
            return;
        }
        if self.crew.wait(self.owner.lane_apps().give_up()) > 0 {
            tracing::debug!(
                target: "offload",
                "a server ends while some of its event loops are still busy",
            );
        }
    }
}
