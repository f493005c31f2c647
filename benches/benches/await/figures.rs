//! What was measured: figures of one kind in one place, and a table of them.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::{Value, json};

use crate::{
    client::{self, Asked},
    kind::{AWAITS, Kind},
    server::Place,
};

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    /// Until each thread that takes part has its instance of the app.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// Figures of one measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Processor time of the server for each await, in microseconds.
    pub(crate) cpu: f64,
    /// Context switches of the server for each await.
    pub(crate) switches: f64,
    /// Latencies of requests, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Requests that were not answered 200, of which no figure speaks.
    pub(crate) refused: f64,
}

impl Figures {
    /// Measures one kind on a server.
    pub(crate) fn measure(address: SocketAddr, kind: Kind, load: Load) -> io::Result<Self> {
        client::ask(address, kind, load.clients, load.warm_up)?;
        let before = client::usage(address)?;
        let asked = client::ask(address, kind, load.clients, load.time)?;
        let after = client::usage(address)?;
        let answered = asked.iter().filter(|asked| asked.status == 200);
        let mut took: Vec<Duration> = answered.map(|asked: &Asked| asked.took).collect();
        took.sort_unstable();
        let quantile = |q: f64| {
            let at = (took.len().saturating_sub(1) as f64 * q).ceil() as usize;
            took.get(at)
                .map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
        };
        let awaits = (took.len() * AWAITS) as f64;
        Ok(Self {
            cpu: (after.cpu - before.cpu) / awaits,
            switches: (after.switches - before.switches) / awaits,
            p50: quantile(0.5),
            p99: quantile(0.99),
            refused: (asked.len() - took.len()) as f64,
        })
    }

    /// The median of each figure.
    fn median(rounds: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            cpu: middle(|figures| figures.cpu),
            switches: middle(|figures| figures.switches),
            p50: middle(|figures| figures.p50),
            p99: middle(|figures| figures.p99),
            refused: middle(|figures| figures.refused),
        }
    }
}

/// All rounds of one kind in one place.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) rounds: Vec<Figures>,
}

impl Row {
    pub(crate) fn json(&self) -> Value {
        let figures = Figures::median(&self.rounds);
        json!({
            "await": self.kind.name(),
            "lane_threads": match self.place {
                Place::Loop => None,
                Place::Lanes(threads) => Some(threads),
            },
            "cpu_us_per_await": figures.cpu,
            "switches_per_await": figures.switches,
            "request_p50_ms": figures.p50,
            "request_p99_ms": figures.p99,
            "refused": figures.refused,
        })
    }
}

/// Prints the rows of one kind as a table, a column for each place.
pub(crate) fn print(kind: Kind, rows: &[Row]) {
    let rows = rows.iter().filter(|row| row.kind == kind);
    let columns: Vec<(Place, Figures)> = rows
        .map(|row| (row.place, Figures::median(&row.rounds)))
        .collect();
    let line = |name: &str, cell: &dyn Fn(&(Place, Figures)) -> String| {
        let cells: String = columns
            .iter()
            .map(|column| format!("{:>9}", cell(column)))
            .collect();
        println!("  {name:<34}{cells}");
    };
    println!("\n{}", kind.name());
    line("lane threads", &|(place, _)| match place {
        Place::Loop => "the loop".to_owned(),
        Place::Lanes(threads) => threads.to_string(),
    });
    let on_loop = columns.iter().find(|(place, _)| *place == Place::Loop);
    line("processor time per await, µs", &|(_, figures)| {
        format!("{:.1}", figures.cpu)
    });
    if let Some((_, on_loop)) = on_loop {
        line("as a multiple of the loop's", &|(_, figures)| {
            format!("{:.1}", figures.cpu / on_loop.cpu)
        });
    }
    line("context switches per await", &|(_, figures)| {
        format!("{:.2}", figures.switches)
    });
    line("request p50, ms", &|(_, figures)| {
        format!("{:.1}", figures.p50)
    });
    line("request p99, ms", &|(_, figures)| {
        format!("{:.1}", figures.p99)
    });
    if columns.iter().any(|(_, figures)| figures.refused > 0.0) {
        line("refused requests", &|(_, figures)| {
            format!("{:.0}", figures.refused)
        });
    }
}
