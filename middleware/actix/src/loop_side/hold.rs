//! The hold that each service of an app, and each request that has gone to a lane from it, has on the app.

use std::{fmt, rc::Rc, sync::Arc};

use actix_web::dev::AppConfig;

use crate::{
    lane_side::instance::{LaneApp, Owner},
    lifetime::Member,
    local,
};

/// The hold of one service on its app.
///
/// It is shared by the service and the requests that have gone to lanes from it (L2).
pub(crate) struct Hold<S, B> {
    app: Arc<LaneApp<S, B>>,
    // The end of the app, if this was the last of all that make or hold services, comes after that of the service.
    _owner: Arc<Owner<S, B>>,
    // Last, so that all else is gone for those who wait.
    _member: Option<Rc<Member>>,
}

impl<S, B> Hold<S, B> {
    pub(crate) fn new(
        owner: Arc<Owner<S, B>>,
        config: AppConfig,
        member: Option<Rc<Member>>,
    ) -> Self {
        Self {
            app: owner.lane_apps().enter(config),
            _owner: owner,
            _member: member,
        }
    }

    pub(crate) fn app(&self) -> &Arc<LaneApp<S, B>> {
        &self.app
    }
}

impl<S, B> Drop for Hold<S, B> {
    fn drop(&mut self) {
        let Some(give_up) = self.app.leave() else {
            return;
        };
        // L3
        if local::record().is_some() {
            return;
        }
        let instances = self.app.wait(give_up);
        if instances > 0 {
            tracing::warn!(
                target: "offload",
                instances,
                "an app has ended, but its app data is still on lane threads that compute: it goes when they are done",
            );
        }
    }
}

impl<S, B> fmt::Debug for Hold<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.app).finish()
    }
}
