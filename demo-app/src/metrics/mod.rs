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
            write_lanes(&mut out, &report.lanes);
            event_loops::write(&mut out, &report.event_loops);
        }
    }
    out.into_text()
}

fn write_lanes(out: &mut Exposition, lanes: &[LaneReport]) {
    let mut write = |name, kind, help, value: fn(&LaneReport) -> f64| {
        let mut family = out.family(name, kind, help);
        for lane in lanes {
            family.sample(&[("lane", &lane.name)], value(lane));
        }
    };
    write(
        "offload_lane_threads",
        Kind::Gauge,
        "How many jobs the lane runs at a time.",
        |lane| lane.threads as f64,
    );
    write(
        "offload_lane_queued",
        Kind::Gauge,
        "Jobs that wait for a lane thread.",
        |lane| lane.queued as f64,
    );
    write(
        "offload_lane_running",
        Kind::Gauge,
        "Lane threads that run something now.",
        |lane| lane.running as f64,
    );
    write(
        "offload_lane_projected_delay_seconds",
        Kind::Gauge,
        "How long a request would wait that came now.",
        |lane| lane.projected_delay_seconds,
    );
    write(
        "offload_lane_refused_total",
        Kind::Counter,
        "Jobs that were refused before they were queued.",
        |lane| lane.refused as f64,
    );
    write(
        "offload_lane_expired_total",
        Kind::Counter,
        "Jobs that waited too long and were refused instead of begun.",
        |lane| lane.expired as f64,
    );
}
