//! What the plugin knows, for Prometheus.

mod event_loops;
mod exposition;
mod routes;

use actix_offload::LaneReport;
use actix_web::{HttpResponse, web::Data};

use self::exposition::{Exposition, Kind};
use crate::handlers::report::Plugin;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(crate) async fn metrics(plugin: Data<Plugin>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .body(text(&plugin))
}

fn text(plugin: &Plugin) -> String {
    let mut out = Exposition::default();
    out.family("demo_up", Kind::Gauge, "Whether the demo answers.")
        .sample(&[], 1.0);
    let mut enabled = out.family(
        "demo_offload_enabled",
        Kind::Gauge,
        "Whether the plugin is around the app.",
    );
    match plugin {
        Plugin::Off => enabled.sample(&[], 0.0),
        Plugin::Auto(offload) => {
            enabled.sample(&[], 1.0);
            let report = offload.report();
            routes::write(&mut out, &report.routes);
            write_lane(&mut out, report.lane);
            event_loops::write(&mut out, &report.event_loops);
        }
    }
    out.into_text()
}

fn write_lane(out: &mut Exposition, lane: LaneReport) {
    let mut gauge = |name, value: usize, help| {
        out.family(name, Kind::Gauge, help)
            .sample(&[], value as f64);
    };
    gauge("offload_lane_threads", lane.threads, "Threads of the lane.");
    gauge(
        "offload_lane_queued",
        lane.queued,
        "Jobs that wait for a lane thread.",
    );
    gauge(
        "offload_lane_running",
        lane.running,
        "Lane threads that run something now.",
    );
}
