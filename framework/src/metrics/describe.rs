//! Tells a recorder what each metric is, once.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(super) fn all() {
    for line in METRICS.lines() {
        let (metric, what) = line.split_once(": ").expect("the table has no other lines");
        let (kind, name) = metric.split_once(' ').expect("each has a kind and a name");
        let unit = if name.ends_with("_seconds") {
            Unit::Seconds
        } else {
            Unit::Count
        };
        match kind {
            "counter" => describe_counter!(name, unit, what),
            "gauge" => describe_gauge!(name, unit, what),
            _ => describe_histogram!(name, unit, what),
        }
    }
}

/// The kind of each, its name and what it says.
const METRICS: &str = "\
counter offload_requests_total: Requests that ran, by where.
counter offload_requests_refused_total: Requests that were turned away with a 503, by why.
counter offload_requests_cancelled_total: Requests whose client left before they were answered.
counter offload_requests_panicked_total: Requests that ended in a panic.
counter offload_route_moves_total: How often the route changed sides, by why.
counter offload_lane_jobs_total: Jobs by how they ended.
counter offload_loop_requests_total: Requests that ran on the event loop.
counter offload_loop_stalls_total: Stalls of the event loop: polls that kept it for longer than the threshold.
counter offload_stalls_total: What did not go on, by route and kind; a lane job or a blocking pool is no stalled event loop.
counter offload_stall_reports_suppressed_total: Reports of stalls that were not made because there were too many.
gauge offload_route_run_seconds: What all requests of the route took together, by where; only grows.
gauge offload_route_on_lane: Whether the route runs on a lane now.
gauge offload_lane_threads: How many jobs the lane runs at a time.
gauge offload_lane_queue_depth: Jobs that wait for a lane thread.
gauge offload_lane_queue_bound: How many jobs may wait for a lane thread.
gauge offload_lane_running: Lane threads that run something now.
gauge offload_lane_projected_delay_seconds: How long a request would wait that came now.
gauge offload_loop_busy_seconds: How long polls of requests kept the event loop, all together; only grows.
gauge offload_loop_cpu_seconds: CPU time of the event loop's thread; only grows.
gauge offload_loop_longest_poll_seconds: The longest that one poll of a request kept the event loop.
gauge offload_loop_lag_seconds: How long the event loop took to come round when it was asked last.
gauge offload_loop_longest_lag_seconds: The longest that the event loop ever took to come round.
gauge offload_loop_stalled_seconds: For how long the event loop is stalled now; 0 if it is not.
gauge offload_stall_threshold_seconds: How long one poll may keep an event loop before it is a stall.
histogram offload_lane_run_seconds: What requests of the route took on lanes.
histogram offload_lane_queue_seconds: How long requests of the route waited for a lane.
histogram offload_loop_poll_seconds: How long polls of requests kept the event loop.";
