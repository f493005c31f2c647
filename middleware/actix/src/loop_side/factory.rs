//! What `offload.app` gives, as the copies of it that a server has, and the hold that each of their services has on the app.

use std::{
    fmt,
    rc::Rc,
    sync::{Arc, OnceLock},
};

use actix_web::dev::AppConfig;

use super::service::OffloadApp;
use crate::{
    core::Core,
    lane_side::instance::{LaneApp, LaneApps, Owner},
    lifetime::{Crew, Member},
    local,
    maker::Maker,
};

/// One copy of the function that [`Offload::app`](crate::Offload::app) gives.
///
/// A server keeps one, which it copies for each of its workers and drops as the last thing before its future ends.
pub(crate) struct AppFactory<S> {
    maker: Maker<S>,
    core: Arc<Core>,
    owner: Arc<Owner<S>>,
    /// Those that work with copies of this one.
    crew: Arc<Crew>,
    /// The crew of the one that this is a copy of.
    of: Option<Arc<Crew>>,
    // Last, so that all else is gone for those who wait.
    member: OnceLock<Member>,
}

impl<S> AppFactory<S> {
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
    pub(crate) fn make<B>(&self) -> OffloadApp<S, B> {
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

impl<S> Clone for AppFactory<S> {
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

impl<S> Drop for AppFactory<S> {
    fn drop(&mut self) {
        // L3
        if local::record().is_some() || !self.crew.is_elsewhere() {
            return;
        }
        if !self.crew.wait(self.owner.lane_apps().give_up()) {
            tracing::debug!(
                target: "offload",
                "a server ends while some of its event loops are still busy",
            );
        }
    }
}

/// The hold of one service on its app.
///
/// It is shared by the service and the requests that have gone to lanes from it (L2).
pub(crate) struct Hold<S> {
    app: Arc<LaneApp<S>>,
    // The end of the app, if this was the last of all that make or hold services, comes after that of the service.
    _owner: Arc<Owner<S>>,
    // Last, so that all else is gone for those who wait.
    _member: Option<Rc<Member>>,
}

impl<S> Hold<S> {
    pub(crate) fn new(owner: Arc<Owner<S>>, config: AppConfig, member: Option<Rc<Member>>) -> Self {
        Self {
            app: owner.lane_apps().enter(config),
            _owner: owner,
            _member: member,
        }
    }
}

impl<S> Hold<S> {
    pub(crate) fn app(&self) -> &Arc<LaneApp<S>> {
        &self.app
    }
}

impl<S> Drop for Hold<S> {
    fn drop(&mut self) {
        let Some(give_up) = self.app.leave() else {
            return;
        };
        // L3
        if local::record().is_some() {
            return;
        }
        let instances = self.app.life().wait(give_up);
        if instances > 0 {
            tracing::warn!(
                target: "offload",
                instances,
                "an app has ended, but its app data is still on lane threads that compute: it goes when they are done",
            );
        }
    }
}

impl<S> fmt::Debug for Hold<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.app).finish()
    }
}
