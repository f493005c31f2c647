//! Gives each lane thread an instance of the app of its own, built by the same factory as the event
//! loops' instances, exactly as each actix worker has one.
//!
//! An instance is built when the first request of its app comes to the thread, and dropped when the app
//! ends (see [`lifetime`](crate::lifetime)) or with the thread. With it go the tasks that its handlers and
//! its factory have spawned, as they go with a worker without the plugin.

use std::{
    any::Any,
    cell::RefCell,
    collections::HashMap,
    fmt,
    future::Future,
    marker::PhantomData,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use actix_web::dev::AppConfig;
use tokio::{
    sync::{OnceCell, watch},
    task::LocalSet,
};

use offload_http::Number;

use crate::{
    app_routes::AppRoutes,
    lifetime::{Crew, Deadline, Hurry, Member},
    local,
    maker::{App, Maker},
    panics,
};

thread_local! {
    static INSTANCES: RefCell<HashMap<u64, Rc<dyn Any>>> = RefCell::new(HashMap::new());
}

/// Drops all instances of the calling thread, which is a lane thread at its end.
pub(crate) fn drop_all() {
    let all = INSTANCES.with(|instances| std::mem::take(&mut *instances.borrow_mut()));
    all.into_values().for_each(end);
}

/// Drops an instance, and with it what its handlers share. A second panic while a first one unwinds
/// through several instances would end the process.
fn end(instance: Rc<dyn Any>) {
    panics::contain(None, || drop(instance));
}

/// Keeps an instance of the calling thread, and runs its tasks, until its app has ended.
async fn keep(id: u64, tasks: Rc<LocalSet>, ended: impl Future<Output = ()>) {
    tasks.run_until(ended).await;
    drop(tasks);
    let instance = INSTANCES.with(|instances| instances.borrow_mut().remove(&id));
    // User code runs in its destructor, so the table is not borrowed any more.
    if let Some(instance) = instance {
        end(instance);
    }
}

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
    serving: Vec<Entry<S, B>>,
    /// Until when is waited for those that end.
    deadline: Deadline,
}

struct Entry<S, B> {
    app: Weak<LaneApp<S, B>>,
    services: usize,
}

/// An app as the lanes see it: how to build an instance, and for which address.
pub(crate) struct LaneApp<S, B> {
    id: u64,
    apps: Arc<LaneApps<S, B>>,
    config: AppConfig,
    system: Option<actix_rt::System>,
    over: watch::Sender<bool>,
    instances: Arc<Crew>,
    body: PhantomData<fn() -> B>,
}

/// Held by all that make or hold services of an app. After the last of them there will be no more.
pub(crate) struct Owner<S, B> {
    lane_apps: Arc<LaneApps<S, B>>,
    // Dropped after the app's routes have been put in order.
    _number: Number,
}

/// A lane thread's instance of an app, or the place where it is being built.
struct Instance<S> {
    // First, because the tasks use what the service owns.
    tasks: Rc<LocalSet>,
    service: OnceCell<S>,
    // Last, so that all else is gone for those who wait.
    _alive: Member,
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
    pub(crate) fn enter(self: &Arc<Self>, config: AppConfig) -> Arc<LaneApp<S, B>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut apps = self.apps();
        apps.deadline.clear();
        for entry in &mut apps.serving {
            if let Some(app) = entry.app.upgrade()
                && same_address(&app.config, &config)
            {
                entry.services += 1;
                return app;
            }
        }
        let app = Arc::new(LaneApp {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            apps: Arc::clone(self),
            config,
            system: actix_rt::System::try_current(),
            over: watch::Sender::new(false),
            instances: Arc::default(),
            body: PhantomData,
        });
        apps.serving.push(Entry {
            app: Arc::downgrade(&app),
            services: 1,
        });
        app
    }

    pub(crate) fn routes(&self) -> &Arc<AppRoutes> {
        &self.routes
    }

    /// Until when is waited for what begins to end now.
    pub(crate) fn give_up(&self) -> Instant {
        self.apps().deadline.get(&self.hurry)
    }

    fn maker(&self) -> MutexGuard<'_, Option<Maker<S>>> {
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

    /// Blocks until there are no instances, or so long. Returns how many there are. Not for lane threads.
    pub(crate) fn wait(&self, until: Instant) -> usize {
        self.instances.wait(until)
    }

    /// The app has one service less. After the last one it has ended (L5), and until when to wait for its instances is told.
    pub(crate) fn leave(&self) -> Option<Instant> {
        let mut apps = self.apps.apps();
        let is_this = |entry: &Entry<S, B>| std::ptr::eq(entry.app.as_ptr(), self);
        let at = apps.serving.iter().position(is_this)?;
        apps.serving[at].services -= 1;
        if apps.serving[at].services > 0 {
            return None;
        }
        apps.serving.swap_remove(at);
        let give_up = apps.deadline.get(&self.apps.hurry);
        drop(apps);
        self.over.send_replace(true);
        Some(give_up)
    }
}

impl<S: App<B>, B> LaneApp<S, B> {
    /// This lane thread's instance, whose service may still have to be built.
    pub(crate) fn instance(&self) -> LaneInstance<S::Service> {
        let found = INSTANCES.with(|instances| {
            let instances = instances.borrow();
            let instance = instances.get(&self.id)?;
            Rc::clone(instance).downcast().ok()
        });
        LaneInstance(found.unwrap_or_else(|| self.make_place()))
    }

    #[cold]
    fn make_place(&self) -> Rc<Instance<S::Service>> {
        let tasks = Rc::new(LocalSet::new());
        let instance = Rc::new(Instance {
            tasks: Rc::clone(&tasks),
            service: OnceCell::new(),
            _alive: self.instances.join(),
        });
        let kept = Rc::clone(&instance) as Rc<dyn Any>;
        INSTANCES.with(|instances| instances.borrow_mut().insert(self.id, kept));
        let mut over = self.over.subscribe();
        let ended = async move {
            // An error means that nobody is left who could say so.
            let _ = over.wait_for(|over| *over).await;
        };
        if local::spawn_local(keep(self.id, tasks, ended)).is_err() {
            tracing::error!(target: "offload", "an app was built outside of a lane thread");
        }
        instance
    }

    /// Builds the service of an instance if this is its first request, unless the app has ended.
    ///
    /// # Errors
    ///
    /// What the factory's own initialisation failed with; the next request tries again.
    pub(crate) async fn build(
        &self,
        instance: &LaneInstance<S::Service>,
    ) -> Result<(), S::InitError> {
        if instance.service().is_some() {
            return Ok(());
        }
        let maker = self.apps.maker().clone();
        let Some(maker) = maker else {
            return Ok(());
        };
        let build = || async {
            if let Some(system) = self.system.clone() {
                // Handlers may stop the system or ask for its first arbiter.
                actix_rt::System::set_current(system);
            }
            maker.make().new_service(self.config.clone()).await
        };
        instance.0.service.get_or_try_init(build).await?;
        Ok(())
    }
}

/// An instance, held for as long as a request uses it.
pub(crate) struct LaneInstance<S>(Rc<Instance<S>>);

impl<S> LaneInstance<S> {
    /// Its service, if it is built.
    pub(crate) fn service(&self) -> Option<&S> {
        self.0.service.get()
    }

    /// Where its handlers and its factory spawn.
    pub(crate) fn tasks(&self) -> &Rc<LocalSet> {
        &self.0.tasks
    }
}

impl<S, B> fmt::Debug for LaneApp<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneApp")
            .field("id", &self.id)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
