//! What the builder of both adapters sets does the same under a layer: a profile begins warm, a route's serving counts.

use std::{env, fs, process, time::Duration};

use axum::{Router, routing::get};
use offload_core::Terms;
use tower_offload::{BuildError, Lanes, Offload, Placement, Rank, Serving};

use crate::site::{Gate, HEAVY, Site, builder, lanes, report, side, wait_until};

#[test]
fn a_saved_profile_begins_warm() {
    let path = env::temp_dir().join(format!("offload-tower-{}.json", process::id()));
    let app = || Router::new().route("/", get(async || side()));
    let site = Site::with(builder(lanes()).profile(&path), app());
    assert_eq!(site.text("/"), "lane", "nothing is known of it");
    site.learn_get("/");
    site.offload.save_profile().expect("a file");
    drop(site);

    let warm = Site::with(builder(lanes()).profile(&path), app());
    let first = warm.text("/");
    fs::remove_file(&path).expect("it was saved");
    assert_eq!(first, "worker");
}

#[test]
fn without_a_profile_there_is_nothing_to_save() {
    let offload = builder(lanes()).build().expect("starts");
    offload.save_profile().expect("nothing to do");
}

#[test]
fn a_profile_that_cannot_be_read_is_an_error_of_the_build() {
    let built = builder(lanes()).profile(env::temp_dir()).build();
    assert!(matches!(built, Err(BuildError::Profile(_))), "{built:?}");
}

#[test]
fn a_route_waits_no_longer_than_its_patience() {
    let heavy = async || {
        offload_tests::work::burn(HEAVY);
        side()
    };
    let app = Router::new()
        .route("/hasty", get(heavy))
        .route("/patient/{id}", get(heavy));
    let one = Lanes::builder().threads(1).long_threads(1).spare_threads(0);
    let hasty = Serving::new().patience(Duration::from_millis(1));
    let patient = Serving::new().patience(Duration::from_secs(600));
    let builder = builder(one).serve("GET", "/hasty", hasty).serve(
        "GET",
        "/patient/{id}",
        patient.rank(Rank::High),
    );
    let site = Site::with(builder, app);
    assert_eq!(site.text("/patient/1"), "lane");
    // Both lanes are held, and something waits already.
    let gate = Gate::default();
    let lanes = site.offload.lanes();
    let (short, long) = (Terms::new(), Terms::new().cost(Duration::from_secs(1)));
    let held: Vec<_> = [&short, &short, &long, &long]
        .into_iter()
        .map(|terms| {
            let gate = gate.clone();
            lanes.run_with(terms, move || gate.wait())
        })
        .collect();
    wait_until("both run", || lanes.running() == 2);
    assert_eq!(site.get("/hasty").status(), 503);
    let mut waits = site.ask("/patient/2");
    gate.open();
    for job in held {
        pollster::block_on(job).expect("ran");
    }
    assert_eq!(waits.read_response().expect("an answer").status(), 200);
}

#[test]
fn a_method_is_a_text_or_one_of_http() {
    let offload = Offload::builder()
        .lanes(|_| lanes())
        .pin("GET", "/a", Placement::Lane)
        .pin(axum::http::Method::GET, "/b", Placement::Lane)
        .build()
        .expect("starts");
    let layer = offload.layer();
    for pattern in ["/a", "/b"] {
        assert!(report(&offload, pattern).pinned_by.is_some(), "{pattern}");
    }
    drop(layer);
}
