//! The span of the caller goes along to the lane.

use tracing::Span;

use crate::support::{Gate, lane, until};

fn current_span() -> Option<&'static str> {
    Span::current().metadata().map(|metadata| metadata.name())
}

#[test]
fn the_callers_span_surrounds_the_job_and_every_poll() {
    // Lane threads look at the global default, so this can't be a scoped one. No other test minds.
    tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
    let lane = lane(1);
    let gate = Gate::default();
    let waits = gate.clone();
    let (run, task) = tracing::info_span!("request").in_scope(|| {
        let run = lane.run(current_span);
        let task = lane.spawn(async move {
            let first = current_span();
            waits.await;
            (first, current_span())
        });
        (run, task)
    });
    until("the future waits", || gate.waiting() == 1);
    gate.open();
    assert_eq!(pollster::block_on(run).unwrap(), Some("request"));
    let both = pollster::block_on(task).unwrap();
    assert_eq!(both, (Some("request"), Some("request")));
    let outside = pollster::block_on(lane.run(current_span)).unwrap();
    assert_eq!(outside, None, "no span stays behind on the thread");
}
