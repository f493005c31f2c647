//! What the tables show holds: nobody is lost, a flood does not starve its neighbour, and refusals come early.

use crate::{
    load::{Load, MS, Prediction, Source},
    policy::{Charges, CoDel, Fair, Fifo, Newest, Patience, Policy},
    simulation::simulate,
};

fn fair(charges: Charges) -> Fair {
    Fair::new(Patience::DEFAULT, charges)
}

#[test]
fn every_job_is_worked_off_or_turned_away_once() {
    let load = Load::new("", Source::new(1.5, 20 * MS)).beside(Source::new(0.25, 5 * MS));
    let all = load.arrivals().len();
    let policies: [Box<dyn Policy>; 6] = [
        Box::new(Fifo::bounded()),
        Box::new(Fifo::with_admission()),
        Box::new(CoDel::new(Newest::No)),
        Box::new(CoDel::new(Newest::Yes)),
        Box::new(fair(Charges::Predicted)),
        Box::new(fair(Charges::Actual)),
    ];
    for mut policy in policies {
        let outcome = simulate(&load, &mut *policy);
        assert_eq!(outcome.ended(), all, "{}", policy.name());
        assert!(outcome.goodput > 0.8, "{}", policy.name());
    }
}

#[test]
fn what_is_taken_is_worked_off_and_what_is_not_is_refused_at_once() {
    let load = Load::new("", Source::new(2.0, 20 * MS));
    let ours = simulate(&load, &mut fair(Charges::Predicted));
    assert!(ours.goodput > 0.99);
    assert!(ours.late() < 0.001);
    let codel = simulate(&load, &mut CoDel::new(Newest::Yes));
    assert!(codel.late() > 0.3);
}

#[test]
fn many_small_flows_are_refused_early_too() {
    let load = Load {
        name: String::new(),
        sources: vec![Source::new(2.0 / 400.0, 20 * MS); 400],
        watch_last: false,
    };
    let outcome = simulate(&load, &mut fair(Charges::Predicted));
    assert!(outcome.goodput > 0.99);
    // A quarter if newcomers were not counted that are ahead.
    assert!(outcome.late() < 0.1);
}

#[test]
fn a_flood_leaves_its_neighbour_what_is_its_own() {
    let flood = Source::new(10.0, 20 * MS);
    let load = Load::new("", flood.clone()).beside(Source::new(0.25, 20 * MS));
    let served = |load: &Load, policy: &mut dyn Policy| {
        let watched = simulate(load, policy).watched;
        watched.expect("a flow is reported apart").served()
    };
    assert!(served(&load, &mut Fifo::with_admission()) < 0.3);
    assert!(served(&load, &mut fair(Charges::Predicted)) > 0.99);

    let misjudged = flood.predicted(Prediction::TooLow(5));
    let load = Load::new("", misjudged).beside(Source::new(0.4, 20 * MS));
    assert!(served(&load, &mut fair(Charges::Predicted)) < 0.6);
    assert!(served(&load, &mut fair(Charges::Actual)) > 0.95);
}
