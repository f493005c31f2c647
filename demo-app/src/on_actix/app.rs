//! The routes on actix, the same with the plugin and without.

use actix_offload::Offload;
use actix_web::{
    Resource,
    web::{self, Data, ServiceConfig},
};

use super::{
    answers::{self, json_config},
    handlers::{self, blocking},
    report::{self, Plugin},
};
use crate::{
    errors::AppError,
    lab,
    metrics::{self, Collector},
    work::{
        bodies::{LARGE, SMALL},
        home::{EventLoops, Page},
    },
};

/// What all instances of the app share. A clone goes into the app factory.
#[derive(Clone, Debug)]
pub struct Demo {
    plugin: Data<Plugin>,
    collector: Data<Collector>,
    event_loops: EventLoops,
}

impl Demo {
    /// For an app without the plugin.
    #[must_use]
    pub fn off() -> Self {
        Self::with(Plugin::Off)
    }

    /// For an app inside `offload.app`.
    #[must_use]
    pub fn auto(offload: Offload) -> Self {
        Self::with(Plugin::Auto(offload))
    }

    fn with(plugin: Plugin) -> Self {
        let collector = Collector::start(&plugin).expect("a thread can be started");
        Self {
            plugin: Data::new(plugin),
            collector: Data::new(collector),
            event_loops: EventLoops::default(),
        }
    }

    /// Adds all routes to an app. Call it where the app is built: on the thread that will run it.
    pub fn routes(&self, cfg: &mut ServiceConfig) {
        cfg.app_data(self.plugin.clone())
            .app_data(self.collector.clone())
            .app_data(Data::new(Page::of_this_thread(&self.event_loops)))
            .app_data(Data::new(self.event_loops.clone()))
            .app_data(web::QueryConfig::default().error_handler(answers::query))
            .configure(light)
            .configure(heavy)
            .configure(side_by_side)
            .configure(lab::routes)
            .default_service(web::to(|| async { AppError::NotFound.answer() }));
        if let Plugin::Auto(offload) = &**self.plugin {
            cfg.service(offload.live());
        }
    }
}

fn light(cfg: &mut ServiceConfig) {
    cfg.service(
        only("/", "GET, HEAD")
            .get(handlers::home)
            .head(handlers::home),
    )
    .service(
        only("/_offload/routes", "GET, HEAD")
            .get(report::routes)
            .head(report::routes),
    )
    .service(
        only("/metrics", "GET, HEAD")
            .get(metrics::metrics)
            .head(metrics::metrics),
    );
}

fn heavy(cfg: &mut ServiceConfig) {
    cfg.service(only("/timer", "GET").get(handlers::timer))
        .service(only("/burn", "GET").get(handlers::burn))
        .service(only("/json/stringify", "GET").get(handlers::stringify))
        .service(
            only("/json/parse", "POST")
                .app_data(web::PayloadConfig::new(LARGE))
                .post(handlers::parse),
        )
        .service(
            only("/sort", "GET, POST")
                .app_data(json_config(LARGE))
                .get(handlers::sort)
                .post(handlers::sort_given),
        )
        .service(
            only("/hash", "POST")
                .app_data(json_config(SMALL))
                .post(handlers::hash),
        )
        .service(
            only("/verify", "POST")
                .app_data(json_config(SMALL))
                .post(handlers::verify),
        )
        .service(only("/digest", "POST").post(handlers::digest));
}

/// The same work pinned to the event loop, and by `web::block`.
fn side_by_side(cfg: &mut ServiceConfig) {
    cfg.service(only("/inline/timer", "GET").get(handlers::timer))
        .service(only("/inline/burn", "GET").get(handlers::burn))
        .service(only("/inline/sort", "GET").get(handlers::sort))
        .service(only("/inline/json/stringify", "GET").get(handlers::stringify))
        .service(
            only("/inline/hash", "POST")
                .app_data(json_config(SMALL))
                .post(handlers::hash),
        )
        .service(only("/block/timer", "GET").get(blocking::timer))
        .service(only("/block/burn", "GET").get(blocking::burn))
        .service(only("/block/sort", "GET").get(blocking::sort))
        .service(only("/block/json/stringify", "GET").get(blocking::stringify))
        .service(
            only("/block/hash", "POST")
                .app_data(json_config(SMALL))
                .post(blocking::hash),
        );
}

/// A resource whose answer to any other method names those that are `allowed`.
pub(crate) fn only(path: &'static str, allowed: &'static str) -> Resource {
    let refuse = move || async move { AppError::MethodNotAllowed { allowed }.answer() };
    web::resource(path).default_service(web::to(refuse))
}
