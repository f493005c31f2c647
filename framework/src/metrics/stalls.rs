//! The metrics of the stall watch.

use metrics::{counter, gauge};

use crate::stall::StallWatch;

pub(super) fn publish(stalls: &StallWatch) {
    for found in stalls.counts() {
        counter!("offload_stalls_total", "route" => found.route, "kind" => found.kind.word())
            .absolute(found.count);
    }
    gauge!("offload_stall_threshold_seconds").set(stalls.threshold().as_secs_f64());
    counter!("offload_stall_reports_suppressed_total").absolute(stalls.suppressed());
}
