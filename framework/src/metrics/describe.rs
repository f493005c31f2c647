//! Tells a recorder what each metric is, once.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(super) fn all() {
    for (name, what) in COUNTERS {
        describe_counter!(name, Unit::Count, what);
    }
    for (name, unit, what) in GAUGES {
        describe_gauge!(name, unit, what);
    }
    for (name, what) in HISTOGRAMS {
        describe_histogram!(name, Unit::Seconds, what);
    }
}

const COUNTERS: [(&str, &str); 10] = [
    ("offload_requests_total", "Requests that ran, by where."),
    (
        "offload_requests_refused_total",
        "Requests that were turned away with a 503, by why.",
    ),
    (
        "offload_requests_cancelled_total",
        "Requests whose client left before they were answered.",
    ),
    (
        "offload_requests_panicked_total",
        "Requests that ended in a panic.",
    ),
    (
        "offload_route_moves_total",
        "How often the route changed sides, by why.",
    ),
    ("offload_lane_jobs_total", "Jobs by how they ended."),
    (
        "offload_loop_requests_total",
        "Requests that ran on the event loop.",
    ),
    (
        "offload_loop_stalls_total",
        "Stalls of the event loop: polls that kept it for longer than the threshold.",
    ),
    (
        "offload_stalls_total",
        "What did not go on, by route and kind; a lane job or a blocking pool is no stalled event loop.",
    ),
    (
        "offload_stall_reports_suppressed_total",
        "Reports of stalls that were not made because there were too many.",
    ),
];

const GAUGES: [(&str, Unit, &str); 14] = [
    (
        "offload_route_run_seconds",
        Unit::Seconds,
        "What all requests of the route took together, by where; only grows.",
    ),
    (
        "offload_route_on_lane",
        Unit::Count,
        "Whether the route runs on a lane now.",
    ),
    (
        "offload_lane_threads",
        Unit::Count,
        "How many jobs the lane runs at a time.",
    ),
    (
        "offload_lane_queue_depth",
        Unit::Count,
        "Jobs that wait for a lane thread.",
    ),
    (
        "offload_lane_queue_bound",
        Unit::Count,
        "How many jobs may wait for a lane thread.",
    ),
    (
        "offload_lane_running",
        Unit::Count,
        "Lane threads that run something now.",
    ),
    (
        "offload_lane_projected_delay_seconds",
        Unit::Seconds,
        "How long a request would wait that came now.",
    ),
    (
        "offload_loop_busy_seconds",
        Unit::Seconds,
        "How long polls of requests kept the event loop, all together; only grows.",
    ),
    (
        "offload_loop_cpu_seconds",
        Unit::Seconds,
        "CPU time of the event loop's thread; only grows.",
    ),
    (
        "offload_loop_longest_poll_seconds",
        Unit::Seconds,
        "The longest that one poll of a request kept the event loop.",
    ),
    (
        "offload_loop_lag_seconds",
        Unit::Seconds,
        "How long the event loop took to come round when it was asked last.",
    ),
    (
        "offload_loop_longest_lag_seconds",
        Unit::Seconds,
        "The longest that the event loop ever took to come round.",
    ),
    (
        "offload_loop_stalled_seconds",
        Unit::Seconds,
        "For how long the event loop is stalled now; 0 if it is not.",
    ),
    (
        "offload_stall_threshold_seconds",
        Unit::Seconds,
        "How long one poll may keep an event loop before it is a stall.",
    ),
];

const HISTOGRAMS: [(&str, &str); 3] = [
    (
        "offload_lane_run_seconds",
        "What requests of the route took on lanes.",
    ),
    (
        "offload_lane_queue_seconds",
        "How long requests of the route waited for a lane.",
    ),
    (
        "offload_loop_poll_seconds",
        "How long polls of requests kept the event loop.",
    ),
];
