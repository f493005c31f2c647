//! Clients that mean harm, all at once, beside light requests and a short route that everybody knows.
//!
//! What they ask for would be done easily: it is less than the cores can do. The attack is on the event loops, so what is
//! looked at is how long these are kept, and whether anybody else notices.

mod attackers;

use std::{
    io, thread,
    time::{Duration, Instant},
};

use self::attackers::{Tally, Target};
use super::{Scenario, flows, rest};
use crate::{
    alternative::Alternative,
    attack::Attack,
    client::{connection::Connection, paced::Flow, record::Record, records::Records, request},
    process::Server,
    report::{
        check::Check,
        curve::Curve,
        readings::{Readings, Unit},
        results::Results,
    },
    server::hostile::{Runs, SEEN, Seen},
    settings::Settings,
};

const BEFORE: &str = "without attacks";
const DURING: &str = "with attacks";
/// The longest that a server may need to be free again.
const PATIENCE: Duration = Duration::from_secs(90);
/// The short route, as a part of what the cores can do.
const SHORT_LOAD: f64 = 0.2;
const SHORT_COST: f64 = 0.005;
/// Enough for a loop that is kept for longer than it should be: one user who waits keeps no other from asking.
const LIGHT_CONNECTIONS: usize = 64;
const SEED: u64 = 5;
/// A light p99 up to this many milliseconds is no harm: the attackers are on the server's cores, and a waking thread may have
/// to wait for a turn of one of theirs, which Linux makes about 3 ms long.
const FLOOR: f64 = 3.0;
/// What the short route may lose.
const LOSS: f64 = 0.05;
/// A loop may be kept for so many of the dearest requests in a row.
const IN_A_ROW: f64 = 2.0;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hostile",
    about: "seven attacks on the event loops at once, GET /burn?ms=5 at 0.2 of the cores, GET / at 400/s",
    criterion: None,
    peers: false,
    measure,
    judge,
};

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let server = Server::start_exposed(alternative)?;
    let target = Target {
        address: server.address,
        cores: settings.cores,
    };
    let mut readings = Readings::default();
    flows::idle_light(server.address, settings.span(2, 1));
    for attack in &settings.attacks {
        target.teach(*attack)?;
    }
    for (phase, attacks) in [(BEFORE, &[][..]), (DURING, &settings.attacks)] {
        rest::wait_until_free(&server, PATIENCE)?;
        readings.phase(phase);
        let before = seen(&server)?;
        let tallies = load(settings, alternative, target, attacks, &mut readings)?;
        let after = seen(&server)?;
        put_loops(&after, attacks, &mut readings);
        put_attacks(&before, &after, &tallies, &mut readings);
    }
    server.stop(&mut readings)?;
    Ok(readings)
}

fn seen(server: &Server) -> io::Result<Seen> {
    let answer = Connection::new(server.address)
        .answer(&request::get(SEEN))
        .map_err(|failure| io::Error::other(failure.name()))?;
    serde_json::from_slice(&answer.body).map_err(io::Error::other)
}

/// Asks as usual, with these attacks beside it.
fn load(
    settings: &Settings,
    alternative: Alternative,
    target: Target,
    attacks: &[Attack],
    readings: &mut Readings,
) -> io::Result<Vec<(Attack, Tally)>> {
    let time = settings.load(60, 8);
    let light = Flow {
        connections: LIGHT_CONNECTIONS,
        ..flows::light(target.address, time)
    };
    let rate = settings.cores as f64 * SHORT_LOAD / SHORT_COST;
    let short = flows::short(target.address, rate, time, SEED);
    let start = Instant::now();
    let (lit, shorts, tallies) = thread::scope(|scope| {
        let attacking: Vec<_> = attacks
            .iter()
            .map(|&attack| {
                scope.spawn(move || Ok((attack, target.attack(attack, start, start + time)?)))
            })
            .collect();
        let shorts = scope.spawn(|| short.run(start));
        let lit = light.run(start);
        let tallies: io::Result<Vec<_>> = attacking
            .into_iter()
            .map(|attack| attack.join().expect("a client does not panic"))
            .collect();
        (
            lit,
            shorts.join().expect("a client does not panic"),
            tallies,
        )
    });
    put_usual(&lit, &shorts, readings);
    readings.account(alternative, "light", &lit, light.due.len());
    readings.account(alternative, "5 ms", &shorts, short.due.len());
    tallies
}

fn put_usual(lit: &[Record], shorts: &[Record], readings: &mut Readings) {
    readings.draw("light", Curve::percentiles(lit));
    readings.put_quantiles(
        &Records(lit).latencies(),
        &[
            ("light p50", 0.5),
            ("light p99", 0.99),
            ("light p99.9", 0.999),
            ("light max", 1.0),
        ],
    );
    readings.put("light refused", Unit::Count, Records(lit).status(503));
    readings.put("5 ms asked", Unit::Count, shorts.len() as f64);
    readings.put("5 ms refused", Unit::Count, Records(shorts).status(503));
    let latencies = Records(shorts).latencies();
    readings.put_quantiles(&latencies, &[("5 ms p50", 0.5), ("5 ms p99", 0.99)]);
}

/// The longest of all event loops, since the server began.
fn put_loops(seen: &Seen, attacks: &[Attack], readings: &mut Readings) {
    let polls = seen.loops.iter().map(|it| it.longest_poll);
    let lags = seen.loops.iter().map(|it| it.longest_lag);
    // Not a number if nobody measures them.
    readings.put("longest poll", Unit::Ms, polls.fold(f64::NAN, f64::max));
    readings.put("longest lag", Unit::Ms, lags.fold(f64::NAN, f64::max));
    let dearest = attacks.iter().map(|it| it.dearest().as_secs_f64() * 1e3);
    readings.put(
        "dearest",
        Unit::Ms,
        dearest.fold(SHORT_COST * 1e3, f64::max),
    );
    let phase = readings.phases.last().map_or("", |phase| phase.name);
    let notes = seen.loops.iter().map(|event_loop| {
        format!(
            "{phase}: the longest poll of a loop so far took {:.1} ms, of {}",
            event_loop.longest_poll, event_loop.longest_poll_route
        )
    });
    readings.notes.extend(notes.collect::<Vec<_>>());
}

/// What became of each attack, and where it ran.
fn put_attacks(before: &Seen, after: &Seen, tallies: &[(Attack, Tally)], readings: &mut Readings) {
    for (attack, tally) in tallies {
        let runs = |seen: &Seen| seen.runs[*attack as usize];
        let (Runs { all, on_loops }, after) = (runs(before), runs(after));
        readings.phase(attack.table());
        for (column, count) in [
            ("sent", tally.sent),
            ("answered", tally.answered),
            ("refused", tally.refused),
            ("odd", tally.odd),
            ("left", tally.left),
        ] {
            readings.put(column, Unit::Count, f64::from(count));
        }
        readings.put("ran", Unit::Count, (after.all - all) as f64);
        let on_loops = after.on_loops - on_loops;
        readings.put("on event loops", Unit::Count, on_loops as f64);
    }
}

fn judge(results: &Results) -> Vec<Check> {
    let of = |phase, column| results.auto(phase, column);
    let during = |column| of(DURING, column);
    let limit = of(BEFORE, "light p99").map(|p99| (2.0 * p99).max(FLOOR));
    let kept = during("dearest").map(|dearest| IN_A_ROW * dearest);
    let lost = during("5 ms asked").map(|asked| LOSS * asked);
    vec![
        Check::at_most(
            format!("light p99 in ms, twice that without attacks, or {FLOOR}"),
            during("light p99"),
            limit,
        ),
        Check::at_most(
            "longest poll of a loop in ms, 2 x the dearest",
            during("longest poll"),
            kept,
        ),
        Check::at_most(
            "longest lag of a loop in ms, 2 x the dearest",
            during("longest lag"),
            kept,
        ),
        Check::at_most("5 ms refused, 0.05 of them", during("5 ms refused"), lost),
        Check::at_most("light refused", during("light refused"), Some(0.0)),
        Check::at_most(
            "refused without attacks",
            of(BEFORE, "light refused")
                .zip(of(BEFORE, "5 ms refused"))
                .map(|(light, short)| light + short),
            Some(0.0),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_attack_has_a_place_of_its_own() {
        let all = Attack::value_variants();
        assert_eq!(all.len(), Attack::COUNT);
        for (place, attack) in all.iter().enumerate() {
            assert_eq!(*attack as usize, place);
        }
    }
}
