//! The hold that each service of an app, and each request that has gone to a lane from it, has on the app.

use std::{rc::Rc, sync::Arc};

use actix_web::dev::AppConfig;

use crate::{
    lane_side::apps::{LaneApp, Owner, Services},
    lifetime::Member,
};

/// The hold of one service on its app.
///
/// It is shared by the service and the requests that have gone to lanes from it (L2).
pub(crate) struct Hold<S, B> {
    services: Arc<Services<S, B>>,
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
            services: owner.lane_apps().enter(config),
            _owner: owner,
            _member: member,
        }
    }

    pub(crate) fn app(&self) -> &Arc<LaneApp<S, B>> {
        self.services.app()
    }
}
