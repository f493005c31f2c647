//! The metrics of each lane.

use metrics::{counter, gauge};

use crate::{LaneState, Lanes};

pub(super) fn publish(lanes: &Lanes) {
    for lane in [lanes.short(), lanes.long()] {
        publish_lane(lane);
    }
}

fn publish_lane(lane: LaneState) {
    let name = || lane.name.clone();
    let stats = lane.stats;
    gauge!("offload_lane_threads", "lane" => name()).set(lane.threads as f64);
    gauge!("offload_lane_queue_depth", "lane" => name()).set(lane.queued as f64);
    gauge!("offload_lane_queue_bound", "lane" => name()).set(lane.queue_bound as f64);
    gauge!("offload_lane_running", "lane" => name()).set(lane.running as f64);
    let delay = lane.projected_delay.as_secs_f64();
    gauge!("offload_lane_projected_delay_seconds", "lane" => name()).set(delay);
    let outcomes = [
        ("finished", stats.finished.saturating_sub(stats.panicked)),
        ("panicked", stats.panicked),
        ("refused", stats.refused),
        ("expired", stats.expired),
        ("cancelled", stats.cancelled),
    ];
    for (outcome, jobs) in outcomes {
        counter!("offload_lane_jobs_total", "lane" => name(), "outcome" => outcome).absolute(jobs);
    }
}
