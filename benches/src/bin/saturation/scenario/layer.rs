//! What is wanted of the layer of `tower-offload`, where it is measured: that the light route notices nothing, and less than with
//! what people write by hand.

use crate::{
    alternative::Alternative,
    report::{check::Check, results::Results},
};

/// The layer, and what is written by hand on the same runtime.
const LAYERS: [(Alternative, &[Alternative]); 2] = [
    (
        Alternative::AxumOffload,
        &[Alternative::Axum, Alternative::AxumRayon],
    ),
    (Alternative::SmolOffload, &[Alternative::SmolUnblock]),
];

/// A p99 that is no more than this times that at rest differs from it by chance.
const NEAR: f64 = 1.5;

/// Where the latencies of the light route are.
pub(super) struct Light {
    pub(super) phase: &'static str,
    pub(super) p99: &'static str,
    /// The phase and the column of those at rest.
    pub(super) idle: (&'static str, &'static str),
}

/// The light p99 of each layer that was measured: near that at rest, and at most half of the best that is written by hand, unless
/// it is near that at rest.
pub(super) fn stays_light(results: &Results, light: &Light) -> Vec<Check> {
    let Light { phase, p99, idle } = light;
    let checks = |(layer, by_hand): &(Alternative, &[Alternative])| {
        let value = results.median(phase, *layer, p99);
        let near = results.median(idle.0, *layer, idle.1);
        let near = near.map(|idle| idle * NEAR);
        let best = by_hand
            .iter()
            .filter_map(|other| results.median(phase, *other, p99))
            .reduce(f64::min);
        let half = best.zip(near).map(|(best, near)| near.max(best / 2.0));
        [
            Check::at_most(
                format!("{phase}, light p99 in ms, {NEAR} x idle"),
                value,
                near,
            ),
            Check::at_most(
                format!("{phase}, light p99 in ms, 1/2 of the best by hand or {NEAR} x idle"),
                value,
                half,
            ),
        ]
        .map(|check| check.of(&layer.name()))
    };
    measured(results).flat_map(checks).collect()
}

/// Asserts nothing of those that were not measured, so that a comparison on actix says what it said.
fn measured(
    results: &Results,
) -> impl Iterator<Item = &'static (Alternative, &'static [Alternative])> {
    let measured = results.measured();
    LAYERS
        .iter()
        .filter(move |(layer, _)| measured.contains(layer))
}

/// The layers that were measured.
pub(super) fn layers(results: &Results) -> impl Iterator<Item = Alternative> {
    measured(results).map(|(layer, _)| *layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        check::Verdict,
        readings::{Readings, Unit},
    };

    const LIGHT: Light = Light {
        phase: "warm",
        p99: "light p99",
        idle: ("warm", "idle p99"),
    };

    fn results(all: &[(Alternative, f64, f64)]) -> Results {
        let mut results = Results::default();
        for (alternative, idle, light) in all {
            let mut readings = Readings::default();
            readings.phase("warm");
            readings.put("idle p99", Unit::Ms, *idle);
            readings.put("light p99", Unit::Ms, *light);
            results.add("mixed", *alternative, readings);
        }
        results
    }

    fn verdicts(all: &[(Alternative, f64, f64)]) -> Vec<Verdict> {
        let checks = stays_light(&results(all), &LIGHT);
        checks.iter().map(Check::verdict).collect()
    }

    #[test]
    fn a_layer_is_compared_with_rest_and_with_the_best_by_hand() {
        use Alternative::{Auto, Axum, AxumOffload, AxumRayon, SmolOffload};
        assert!(verdicts(&[(Auto, 1.0, 1.0)]).is_empty());
        let hand = [(Axum, 1.0, 9.0), (AxumRayon, 1.0, 4.1)];
        let with = |layer| verdicts(&[&hand[..], &[layer]].concat());
        let near = with((AxumOffload, 1.0, 1.4));
        assert_eq!(near, [Verdict::Ok, Verdict::Ok]);
        let half = with((AxumOffload, 1.0, 2.0));
        assert_eq!(half, [Verdict::Missed, Verdict::Ok]);
        let slow = with((AxumOffload, 1.0, 2.1));
        assert_eq!(slow, [Verdict::Missed, Verdict::Missed]);
        let alone = with((SmolOffload, 1.0, 1.0));
        assert_eq!(alone, [Verdict::Ok, Verdict::Open]);
    }
}
