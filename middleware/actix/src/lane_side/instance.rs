//! Gives each lane thread an instance of the app of its own, built by the same factory as the event
//! loops' instances, exactly as each actix worker has one.
//!
//! An instance is built when the first request of its app comes to the thread, and dropped when the app
//! ends (see [`lifetime`](crate::lifetime)) or with the thread. With it go the tasks that its handlers and
//! its factory have spawned, as they go with a worker without the plugin.

use std::{any::Any, cell::RefCell, collections::HashMap, future::Future, rc::Rc};

use tokio::{sync::OnceCell, task::LocalSet};

use super::apps::LaneApp;
use crate::{lifetime::Member, local, maker::App, panics};

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

/// A lane thread's instance of an app, or the place where it is being built.
struct Instance<S> {
    // First, because the tasks use what the service owns.
    tasks: Rc<LocalSet>,
    service: OnceCell<S>,
    // Last, so that all else is gone for those who wait.
    _alive: Member,
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
