//! What the page must know of the server that it experiments with.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;

use super::assets::HEADERS;
use crate::{cli::Mode, on_actix::report::Plugin, work::home::EventLoops};

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Setup {
    offload: Mode,
    event_loops: usize,
    /// How many requests each lane runs at a time; 0 without the plugin.
    lane_threads: usize,
    /// Whether the compiler optimised the program: the same job takes ten times as long if not.
    optimised: bool,
}

impl Setup {
    fn of(plugin: &Plugin, event_loops: &EventLoops) -> Self {
        let (offload, lane_threads) = match plugin {
            Plugin::Auto(offload) => (Mode::Auto, offload.lanes().threads()),
            Plugin::Off => (Mode::Off, 0),
        };
        Self {
            offload,
            event_loops: event_loops.count(),
            lane_threads,
            optimised: !cfg!(debug_assertions),
        }
    }
}

/// `GET /lab/setup`
pub(crate) async fn setup(plugin: Data<Plugin>, event_loops: Data<EventLoops>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    for header in HEADERS {
        answer.insert_header(header);
    }
    answer.json(Setup::of(&plugin, &event_loops))
}
