//! What no lane takes is refused at once, and never runs on an event loop.

use actix_offload::Placement;

use super::{Held, Saturated, all_are_answered, is_a_refusal, open, single};

const BOUND: usize = 9;
const SURPLUS: usize = 60;

#[test]
fn the_surplus_is_refused_and_light_routes_notice_nothing() {
    let builder =
        single()
            .lanes(|lanes| lanes.queue_bound(BOUND))
            .pin("GET", "/health", Placement::Loop);
    let app = Saturated::warm(builder);
    app.lighten();
    let refused_before = app.route("/one").expect("it is known").refused;
    let held = Held::all_of(&app.offload);
    // One flow may take eight ninths.
    let admitted = app.queue("/one", BOUND - 1);

    let mut light = 0;
    let on_loops = app.on_loops();
    for surplus in 1..=SURPLUS {
        let mut refused = open(app.addr(), "/one", "");
        is_a_refusal(&refused.read_response().expect("answers"));
        if surplus % 3 == 0 {
            assert_eq!(app.get("/light").body, b"light");
            assert_eq!(app.get("/health").body, b"well");
            light += 2;
        }
        assert_eq!(
            app.on_loops(),
            on_loops + light,
            "only light ones ran there"
        );
    }
    assert_eq!(app.begun.count(), 0);
    assert_eq!(app.offload.lanes().queued(), BOUND - 1);
    let refused = app.route("/one").expect("it is known").refused;
    assert_eq!(refused - refused_before, SURPLUS as u64);
    assert!(app.is_on_loop("/light") && !app.is_on_loop("/one"));

    drop(held);
    all_are_answered(admitted);
    assert_eq!(app.begun.count(), BOUND - 1);
    assert_eq!(app.on_loops(), on_loops + light);
    assert_eq!(app.get("/one").body, b"done", "afterwards all is as before");
}
