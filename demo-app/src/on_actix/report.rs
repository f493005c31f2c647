//! What the plugin knows of the routes, for people.

use actix_offload::{Offload, Report};
use actix_web::web::{Data, Json};
use serde::Serialize;

use crate::cli::Mode;

/// The plugin around this app, or none.
#[derive(Debug)]
pub(crate) enum Plugin {
    Auto(Offload),
    Off,
}

/// The report with the mode before it; empty without the plugin.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Routes {
    Auto {
        mode: Mode,
        #[serde(flatten)]
        report: Report,
    },
    Off {
        mode: Mode,
        routes: [(); 0],
        event_loops: [(); 0],
    },
}

/// `GET /_offload/routes`
pub(crate) async fn routes(plugin: Data<Plugin>) -> Json<Routes> {
    Json(match &**plugin {
        Plugin::Auto(offload) => Routes::Auto {
            mode: Mode::Auto,
            report: offload.report(),
        },
        Plugin::Off => Routes::Off {
            mode: Mode::Off,
            routes: [],
            event_loops: [],
        },
    })
}
