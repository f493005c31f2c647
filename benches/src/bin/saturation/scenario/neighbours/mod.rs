//! A server on a machine that other programs keep busy: what its users feel, what gets done, and whether its end loses any.
//!
//! The server is there first and has learned its routes; then the strangers come.

mod judge;
mod load;
mod street;

use std::{io, time::Duration};

use self::{
    load::HEAVY,
    street::{Groups, Street},
};
use super::{Scenario, drain};
use crate::{
    alternative::Alternative, client::records::Records, process::Server,
    report::readings::Readings, settings::Settings,
};

/// Strangers in one situation, and the names of its tables.
struct Situation {
    name: &'static str,
    heavy: &'static str,
    strangers: usize,
    /// Whether the server and the strangers have a control group each.
    groups: bool,
}

const ALONE: Situation = Situation {
    name: "alone",
    heavy: "alone, heavy routes",
    strangers: 0,
    groups: false,
};

const SITUATIONS: [Situation; 5] = [
    ALONE,
    Situation {
        name: "1 stranger",
        heavy: "1 stranger, heavy routes",
        strangers: 1,
        groups: false,
    },
    Situation {
        name: "2 strangers",
        heavy: "2 strangers, heavy routes",
        strangers: 2,
        groups: false,
    },
    Situation {
        name: "4 strangers",
        heavy: "4 strangers, heavy routes",
        strangers: 4,
        groups: false,
    },
    Situation {
        name: "2 strangers, control groups of equal weight",
        heavy: "2 strangers, control groups of equal weight, heavy routes",
        strangers: 2,
        groups: true,
    },
];

const DRAIN: &str = "drain beside 2 strangers";
const DRAIN_STRANGERS: usize = 2;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "neighbours",
    about: "beside 0, 1, 2 and 4 programs that compute: GET / at 300/s, GET /burn?ms=4 at 30/s, 6 clients of GET /burn?ms=200; \
        4 clients of each heavy route of the demo; SIGTERM",
    criterion: None,
    peers: false,
    measure,
    judge: judge::judge,
};

/// How long everything lasts.
struct Times {
    rest: Duration,
    mixed: Duration,
    heavy: Duration,
    /// How much longer answers are waited for beside strangers.
    patience: Duration,
    /// How long a stranger lives if nobody ends it: more than anything takes here.
    stranger: Duration,
}

impl Times {
    fn of(settings: &Settings) -> Self {
        let (mixed, heavy) = (settings.load(8, 3), settings.span(4, 1));
        let patience = settings.span(4, 1);
        let most = mixed + (heavy + patience) * (HEAVY.len() as u32 + 1);
        Self {
            rest: settings.span(4, 1),
            mixed,
            heavy,
            patience,
            stranger: 2 * most + Duration::from_secs(120),
        }
    }
}

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let mut readings = Readings::default();
    let times = Times::of(settings);
    let situations = settings.pick(&SITUATIONS[..], &SITUATIONS[..], &SITUATIONS[..2]);
    for situation in situations {
        let groups = match situation.groups.then(Groups::new).transpose() {
            Ok(groups) => groups,
            Err(why) => {
                let note = format!("{}: left out, {why}", situation.name);
                readings.notes.push(note);
                continue;
            }
        };
        situation.measure(&times, groups.as_ref(), alternative, &mut readings)?;
    }
    readings.phase(DRAIN);
    let mut street = Street {
        count: DRAIN_STRANGERS,
        groups: None,
        most: times.stranger,
        strangers: None,
    };
    let count = settings.pick(5, 1, 1);
    // A drain has its own limit, the grace.
    let limit = times.stranger;
    street.beside(limit, || {
        drain::drain(settings, alternative, count, &mut readings)
    })??;
    Ok(readings)
}

impl Situation {
    fn measure(
        &self,
        times: &Times,
        groups: Option<&Groups>,
        alternative: Alternative,
        readings: &mut Readings,
    ) -> io::Result<()> {
        let server = Server::start(alternative)?;
        if let Some(groups) = groups {
            groups.server.take(server.pid())?;
        }
        let address = server.address;
        let rest = load::warm_up(address, times.rest);
        let mut street = Street {
            count: self.strangers,
            groups,
            most: times.stranger,
            strangers: None,
        };
        readings.phase(self.name);
        readings.put_quantiles(&Records(&rest).latencies(), &[("idle p99", 0.99)]);
        let limit = times.mixed + times.patience;
        let mixed = street.beside(limit, || load::mixed(address, times.mixed))?;
        mixed.put(alternative, readings);
        readings.account(alternative, "idle", &rest, rest.len());
        readings.phase(self.heavy);
        for heavy in &HEAVY {
            let limit = times.heavy + times.patience;
            let records = street.beside(limit, || heavy.ask(address, times.heavy))?;
            heavy.put(alternative, &records, times.heavy, readings);
        }
        server.stop(readings)
    }
}
