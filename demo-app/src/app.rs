//! The routes of the demo, the same with the plugin and without.

use actix_offload::Offload;
use actix_web::{
    Resource,
    web::{self, Data, ServiceConfig},
};

use crate::{
    errors::{self, AppError},
    handlers::{
        burn, digest,
        home::{self, EventLoops},
        json::{self, parse, stringify},
        password::{hash, verify},
        report::{self, Plugin},
        sort::{given, seeded},
        timer,
    },
    lab,
    metrics::{self, Collector},
};

/// How long a JSON body of `/json/parse` and `/sort` may be, in bytes.
const LARGE_BODY: usize = 64 << 20;

/// How long a JSON body of `/hash` and `/verify` may be, in bytes.
const SMALL_BODY: usize = 64 << 10;

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
            .app_data(Data::new(home::Page::of_this_thread(&self.event_loops)))
            .app_data(Data::new(self.event_loops.clone()))
            .app_data(web::QueryConfig::default().error_handler(errors::query))
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
    cfg.service(only("/", "GET, HEAD").get(home::home).head(home::home))
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
    cfg.service(only("/timer", "GET").get(timer::timer))
        .service(only("/burn", "GET").get(burn::burn))
        .service(only("/json/stringify", "GET").get(stringify::stringify))
        .service(
            only("/json/parse", "POST")
                .app_data(web::PayloadConfig::new(LARGE_BODY))
                .post(parse::parse),
        )
        .service(
            only("/sort", "GET, POST")
                .app_data(json::config(LARGE_BODY))
                .get(seeded::sort)
                .post(given::sort),
        )
        .service(
            only("/hash", "POST")
                .app_data(json::config(SMALL_BODY))
                .post(hash::hash),
        )
        .service(
            only("/verify", "POST")
                .app_data(json::config(SMALL_BODY))
                .post(verify::verify),
        )
        .service(only("/digest", "POST").post(digest::digest));
}

/// The same work pinned to the event loop, and by `web::block`.
fn side_by_side(cfg: &mut ServiceConfig) {
    cfg.service(only("/inline/timer", "GET").get(timer::timer))
        .service(only("/inline/burn", "GET").get(burn::burn))
        .service(only("/inline/sort", "GET").get(seeded::sort))
        .service(only("/inline/json/stringify", "GET").get(stringify::stringify))
        .service(
            only("/inline/hash", "POST")
                .app_data(json::config(SMALL_BODY))
                .post(hash::hash),
        )
        .service(only("/block/timer", "GET").get(timer::blocking))
        .service(only("/block/burn", "GET").get(burn::blocking))
        .service(only("/block/sort", "GET").get(seeded::blocking))
        .service(only("/block/json/stringify", "GET").get(stringify::blocking))
        .service(
            only("/block/hash", "POST")
                .app_data(json::config(SMALL_BODY))
                .post(hash::blocking),
        );
}

/// A resource whose answer to any other method names those that are `allowed`.
pub(crate) fn only(path: &'static str, allowed: &'static str) -> Resource {
    let refuse = move || async move { AppError::MethodNotAllowed { allowed }.answer() };
    web::resource(path).default_service(web::to(refuse))
}
