//! Gives each lane thread an instance of the app of its own, built by the same factory as the event
//! loops' instances, exactly as each actix worker has one.
//!
//! An instance is built when the first request of its app comes to the thread, and dropped with the
//! thread, or once the server it belongs to is gone and another instance is built.

use std::{
    any::Any,
    cell::RefCell,
    collections::HashMap,
    fmt,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use actix_http::Request;
use actix_service::IntoServiceFactory;
use actix_web::dev::{AppConfig, ServiceFactory};
use tokio::sync::OnceCell;

use crate::{app_routes::AppRoutes, panics};

thread_local! {
    static INSTANCES: RefCell<HashMap<u64, Kept>> = RefCell::new(HashMap::new());
}

/// Drops all instances of the calling thread, which is a lane thread at its end.
pub(crate) fn drop_all() {
    let all = INSTANCES.with(|instances| std::mem::take(&mut *instances.borrow_mut()));
    all.into_values().for_each(Kept::end);
}

/// An instance that a lane thread keeps, and the app that it belongs to.
struct Kept {
    app: Weak<dyn Any + Send + Sync>,
    instance: Rc<dyn Any>,
}

impl Kept {
    /// Drops it, and with it what its handlers share. A second panic while a first one unwinds through
    /// several instances would end the process.
    fn end(self) {
        panics::contain(None, || drop(self));
    }
}

/// All that the lanes know of one call of `offload.app`: the factory, and the app once for each
/// address that the server listens on, which its handlers can ask for.
pub(crate) struct LaneApps<F> {
    factory: Mutex<F>,
    routes: Arc<AppRoutes>,
    apps: Mutex<Vec<Weak<LaneApp<F>>>>,
}

/// An app as the lanes see it: how to build an instance, and for which address.
pub(crate) struct LaneApp<F> {
    id: u64,
    apps: Arc<LaneApps<F>>,
    config: AppConfig,
    system: Option<actix_rt::System>,
}

/// A lane thread's instance of an app, or the place where it is being built.
type Instance<S> = OnceCell<S>;

impl<F: Clone + Send + 'static> LaneApps<F> {
    pub(crate) fn new(factory: F, routes: Arc<AppRoutes>) -> Self {
        Self {
            factory: Mutex::new(factory),
            routes,
            apps: Mutex::default(),
        }
    }

    /// The app for `config`, the same for all event loops that have this address.
    pub(crate) fn app(self: &Arc<Self>, config: AppConfig) -> Arc<LaneApp<F>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.retain(|app| app.strong_count() > 0);
        let known = apps.iter().filter_map(Weak::upgrade);
        let same = known
            .into_iter()
            .find(|app| same_address(&app.config, &config));
        same.unwrap_or_else(|| {
            let app = Arc::new(LaneApp {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
                apps: Arc::clone(self),
                config,
                system: actix_rt::System::try_current(),
            });
            apps.push(Arc::downgrade(&app));
            app
        })
    }

    pub(crate) fn routes(&self) -> &Arc<AppRoutes> {
        &self.routes
    }

    fn factory(&self) -> F {
        let factory = self.factory.lock().unwrap_or_else(PoisonError::into_inner);
        F::clone(&factory)
    }
}

fn same_address(one: &AppConfig, other: &AppConfig) -> bool {
    one.secure() == other.secure()
        && one.host() == other.host()
        && one.local_addr() == other.local_addr()
}

impl<F: Clone + Send + 'static> LaneApp<F> {
    pub(crate) fn routes(&self) -> &Arc<AppRoutes> {
        &self.apps.routes
    }

    /// This lane thread's instance, which may still have to be built.
    fn place<S: 'static>(self: &Arc<Self>) -> Rc<Instance<S>> {
        let found = INSTANCES.with(|instances| {
            let instances = instances.borrow();
            let kept = instances.get(&self.id)?;
            Rc::clone(&kept.instance).downcast::<Instance<S>>().ok()
        });
        found.unwrap_or_else(|| self.make_place())
    }

    #[cold]
    fn make_place<S: 'static>(self: &Arc<Self>) -> Rc<Instance<S>> {
        let instance = Rc::new(Instance::<S>::new());
        let app: Arc<dyn Any + Send + Sync> = Arc::clone(self) as _;
        let kept = Kept {
            app: Arc::downgrade(&app),
            instance: Rc::clone(&instance) as Rc<dyn Any>,
        };
        let gone: Vec<Kept> = INSTANCES.with(|instances| {
            let mut instances = instances.borrow_mut();
            let gone = instances.extract_if(|_, kept| kept.app.strong_count() == 0);
            let gone = gone.map(|(_, kept)| kept).collect();
            instances.insert(self.id, kept);
            gone
        });
        // User code runs in these destructors, so the table is not borrowed any more.
        gone.into_iter().for_each(Kept::end);
        instance
    }

    /// The service of this lane thread's instance; builds it if this is its first request.
    ///
    /// # Errors
    ///
    /// What the factory's own initialisation failed with; the next request tries again.
    pub(crate) async fn service<I, S>(
        self: &Arc<Self>,
    ) -> Result<LaneService<S::Service>, S::InitError>
    where
        F: Fn() -> I,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig>,
        S::Service: 'static,
    {
        let place = self.place::<S::Service>();
        place
            .get_or_try_init(|| async {
                if let Some(system) = self.system.clone() {
                    // Handlers may stop the system or ask for its first arbiter.
                    actix_rt::System::set_current(system);
                }
                let factory = self.apps.factory();
                factory()
                    .into_factory()
                    .new_service(self.config.clone())
                    .await
            })
            .await?;
        Ok(LaneService(place))
    }
}

/// A service that is built, held for as long as a request uses it.
pub(crate) struct LaneService<S>(Rc<Instance<S>>);

impl<S> LaneService<S> {
    pub(crate) fn get(&self) -> Option<&S> {
        self.0.get()
    }
}

impl<F> fmt::Debug for LaneApp<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneApp")
            .field("id", &self.id)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
