//! Apps that come and go under one number.

use std::num::NonZeroU32;

use super::{light, none, run};
use crate::{
    placement::{PinSource, Placement, Rules},
    routes::{Route, RouteTable},
};

fn none_but<'a>(patterns: &'a [&'a str]) -> impl Fn(&Route) -> bool + 'a {
    |route| patterns.contains(&route.pattern())
}

#[test]
fn numbers_of_apps_beyond_16_bits_are_told_apart() {
    let table = RouteTable::new(Rules::default());
    let first = light(&table);
    for app in [1 << 16, u32::MAX] {
        let other = table.route(app, "GET", "/");
        assert_ne!(other.id(), first.id());
        assert_eq!(other.app(), app);
        assert_eq!(
            other.place(none()),
            Placement::Lane,
            "nothing is known of it"
        );
        other.observe(none(), run(60_000, Placement::Lane));
    }
    let after = RouteTable::new(Rules::default());
    after.restore(&table.snapshot());
    assert_eq!(after.snapshot(), table.snapshot());
    assert_eq!(after.routes().len(), 3);
}

#[test]
fn routes_of_apps_that_are_gone_take_no_room() {
    let table = RouteTable::with_capacity(Rules::default(), NonZeroU32::new(20).unwrap());
    let tally = table.loop_tally();
    for round in 0..1_000 {
        let patterns = ["/a", "/b", "/c"].map(|name| format!("{name}{round}"));
        let known = patterns.each_ref().map(String::as_str);
        table.begin_app(0);
        for pattern in known {
            let route = table.route(0, "GET", pattern);
            assert_eq!(route.pattern(), pattern, "there is room");
            assert!(route.id() < 6, "identifiers are used again: {}", route.id());
            assert_eq!(
                route.runs_by_place(),
                (0, 0),
                "others' runs are not its own"
            );
            for _ in 0..3 {
                route.observe(none(), run(20, Placement::Lane));
            }
            tally.observe(&route, none(), run(20, Placement::Loop));
            assert_eq!(route.runs_by_place(), (1, 3));
        }
        table.keep_only(0, none_but(&known));
        assert_eq!(table.routes().len(), 3);
    }
    // Three that are there, and as many that have left as there may be.
    assert_eq!(table.snapshot().routes().len(), 23);
}

#[test]
fn a_route_that_comes_back_goes_on_where_it_stopped() {
    let table = RouteTable::new(Rules::default());
    let tally = table.loop_tally();
    let route = light(&table);
    tally.observe(&route, none(), run(20, Placement::Loop));
    route.count_cancelled();
    let learned = table.snapshot();
    assert_eq!(table.moves().len(), 1);

    table.begin_app(0);
    let other = table.route(0, "GET", "/other");
    table.keep_only(0, none_but(&["/other"]));
    assert_eq!(table.routes().len(), 1);
    assert_eq!(table.snapshot(), learned, "it stays in what is saved");
    assert!(table.moves().is_empty(), "its number may be another's");
    table.keep_only(0, none_but(&[]));
    assert!(table.routes().is_empty());
    assert_eq!(other.runs_by_place(), (0, 0));
    // This one has its identifier now.
    let third = table.route(0, "GET", "/third");
    tally.observe(&third, none(), run(20, Placement::Loop));

    let back = table.route(0, "GET", "/");
    assert_eq!(back.place(none()), Placement::Loop);
    assert_eq!(back.runs_by_place(), (1, 3));
    assert_eq!(back.report().cancelled, 1);
    tally.observe(&back, none(), run(20, Placement::Loop));
    assert_eq!(back.runs_by_place(), (2, 3));
    assert_eq!(third.runs_by_place().0 + third.runs_by_place().1, 1);
}

#[test]
fn other_apps_keep_their_routes_and_what_is_beyond_the_capacity_stays() {
    let table = RouteTable::with_capacity(Rules::default(), NonZeroU32::new(2).unwrap());
    let _ = (table.route(0, "GET", "/"), table.route(1, "GET", "/"));
    let other = table.route(0, "GET", "/one more");
    table.keep_only(0, none_but(&[]));
    let left: Vec<_> = table.routes().iter().map(|route| route.id()).collect();
    assert_eq!(left, [1, other.id()]);
}

#[test]
fn what_attributes_of_an_earlier_app_pinned_is_forgotten() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    let configured = table.route(0, "GET", "/configured");
    route.pin(Placement::Lane, PinSource::Attribute);
    configured.pin(Placement::Lane, PinSource::Configuration);
    let of_another = table.route(1, "GET", "/");
    of_another.pin(Placement::Lane, PinSource::Attribute);
    table.begin_app(0);
    assert_eq!(route.pinned_by(), None);
    assert_eq!(
        route.place(none()),
        Placement::Loop,
        "as was learned before"
    );
    assert_eq!(configured.pinned_by(), Some(PinSource::Configuration));
    assert_eq!(of_another.pinned_by(), Some(PinSource::Attribute));
}
