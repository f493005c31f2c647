//! What the lanes know of each app: how to build an instance of it, for which addresses, and when it has ended.

use std::{
    marker::PhantomData,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use actix_web::dev::AppConfig;
use offload_http::Number;
use tokio::sync::watch;

use crate::{
    app_routes::AppRoutes,
    lifetime::{Crew, Deadline, Hurry},
    local,
    maker::Maker,
    panics,
};

/// All that the lanes know of one call of `offload.app`: the factory, and the app once for each
/// address that the server listens on, which its handlers can ask for.
pub(crate) struct LaneApps<S, B> {
    /// `None` once no instance will be built any more.
    maker: Mutex<Option<Maker<S>>>,
    routes: Arc<AppRoutes>,
    hurry: Arc<Hurry>,
    apps: Mutex<Apps<S, B>>,
}

/// The apps that have services.
struct Apps<S, B> {
    serving: Vec<(AppConfig, Weak<Services<S, B>>)>,
    /// Until when is waited for those that end.
    deadline: Deadline,
}

/// An app as the lanes see it: how to build an instance, and for which address.
pub(crate) struct LaneApp<S, B> {
    pub(super) id: u64,
    pub(super) apps: Arc<LaneApps<S, B>>,
    pub(super) config: AppConfig,
    pub(super) system: Option<actix_rt::System>,
    pub(super) over: watch::Sender<bool>,
    pub(super) instances: Arc<Crew>,
    body: PhantomData<fn() -> B>,
}

/// Held by all services of an app. With the last of them it has ended (L5).
pub(crate) struct Services<S, B>(Arc<LaneApp<S, B>>);

/// Held by all that make or hold services of an app. After the last of them there will be no more.
pub(crate) struct Owner<S, B> {
    lane_apps: Arc<LaneApps<S, B>>,
    // Dropped after the app's routes have been put in order.
    _number: Number,
}

impl<S, B> Owner<S, B> {
    pub(crate) fn new(lane_apps: Arc<LaneApps<S, B>>, number: Number) -> Self {
        Self {
            lane_apps,
            _number: number,
        }
    }

    pub(crate) fn lane_apps(&self) -> &Arc<LaneApps<S, B>> {
        &self.lane_apps
    }
}

impl<S, B> Drop for Owner<S, B> {
    fn drop(&mut self) {
        // Jobs that have been given up may live on for a while. What the factory owns is the user's, and does not.
        let maker = self.lane_apps.maker().take();
        panics::contain(None, || drop(maker));
        self.lane_apps.routes.end();
    }
}

impl<S, B> LaneApps<S, B> {
    pub(crate) fn new(maker: Maker<S>, routes: Arc<AppRoutes>, hurry: Arc<Hurry>) -> Self {
        Self {
            maker: Mutex::new(Some(maker)),
            routes,
            hurry,
            apps: Mutex::new(Apps {
                serving: Vec::new(),
                deadline: Deadline::default(),
            }),
        }
    }

    /// The app for `config`, the same for all event loops that have this address, which has one service more.
    pub(crate) fn enter(self: &Arc<Self>, config: AppConfig) -> Arc<Services<S, B>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut apps = self.apps();
        apps.deadline.clear();
        apps.serving
            .retain(|(_, services)| services.strong_count() > 0);
        for (address, services) in &apps.serving {
            // Of no other is a reference taken: it might be the last, whose end must not come here.
            if same_address(address, &config)
                && let Some(services) = services.upgrade()
            {
                return services;
            }
        }
        let app = Arc::new(LaneApp {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            apps: Arc::clone(self),
            config: config.clone(),
            system: actix_rt::System::try_current(),
            over: watch::Sender::new(false),
            instances: Arc::default(),
            body: PhantomData,
        });
        let services = Arc::new(Services(app));
        apps.serving.push((config, Arc::downgrade(&services)));
        services
    }

    pub(crate) fn routes(&self) -> &Arc<AppRoutes> {
        &self.routes
    }

    /// Until when is waited for what begins to end now.
    pub(crate) fn give_up(&self) -> Instant {
        self.apps().deadline.get(&self.hurry)
    }

    pub(super) fn maker(&self) -> MutexGuard<'_, Option<Maker<S>>> {
        self.maker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apps(&self) -> MutexGuard<'_, Apps<S, B>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_address(one: &AppConfig, other: &AppConfig) -> bool {
    one.secure() == other.secure()
        && one.host() == other.host()
        && one.local_addr() == other.local_addr()
}

impl<S, B> LaneApp<S, B> {
    pub(crate) fn routes(&self) -> &Arc<AppRoutes> {
        &self.apps.routes
    }
}

impl<S, B> Services<S, B> {
    pub(crate) fn app(&self) -> &Arc<LaneApp<S, B>> {
        &self.0
    }
}

impl<S, B> Drop for Services<S, B> {
    fn drop(&mut self) {
        let app = &self.0;
        let give_up = app.apps.give_up();
        app.over.send_replace(true);
        // L3
        if local::record().is_some() {
            return;
        }
        let instances = app.instances.wait(give_up);
        if instances > 0 {
            tracing::warn!(
                target: "offload",
                instances,
                "an app has ended, but its app data is still on lane threads that compute: it goes when they are done",
            );
        }
    }
}
