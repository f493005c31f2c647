//! Clients that ask for heavy work and vanish before it began.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;

use super::{Scenario, rest};
use crate::{
    alternative::Alternative,
    client::{closed::Clients, connection::Connection, record::Outcome, records::Records, request},
    process::Server,
    report::{
        check::Check,
        readings::{Readings, Unit},
        results::Results,
    },
    settings::Settings,
};

/// How long after the last client has left a job may still begin: what the issue allows for noticing.
const NOTICE: Duration = Duration::from_millis(10);
/// The longest that a server may need to be free again.
const PATIENCE: Duration = Duration::from_secs(90);
const PHASE: &str = "gone";

pub(super) const SCENARIO: Scenario = Scenario {
    name: "gone",
    about: "while long jobs keep all threads busy, 1,000 clients ask for 50 ms each and vanish",
    criterion: Some(4),
    peers: false,
    measure,
    judge,
};

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let server = Server::start(alternative)?;
    let address = server.address;
    let clients = settings.pick(1_000, 1_000, 50);
    let busy_ms = settings.pick(2_000, 2_000, 300);
    let busy = Clients {
        address,
        request: request::get(&format!("/burn?ms={busy_ms}")),
        count: 2 * settings.cores,
    };
    // What a route costs is known before anybody floods it.
    let known = Clients {
        address,
        request: request::get("/a/burn?ms=50"),
        count: 1,
    };
    known.run_times(settings.pick(10, 10, 3));
    let begun_first = begun(address, "a")?;

    let start = Instant::now();
    let (busied, asked, gone, noticed) = thread::scope(|scope| -> io::Result<_> {
        let busy = scope.spawn(|| (busy.run_times(1), Instant::now()));
        wait_until_begun(address, "burn", 1)?;
        let asked = ask(address, clients)?;
        let before = begun(address, "a")?;
        vanish(asked)?;
        let gone = Instant::now();
        thread::sleep(NOTICE);
        let noticed = begun(address, "a")?;
        let busied = busy.join().expect("a client does not panic");
        Ok((busied, before, gone, noticed))
    })?;
    let (busied, ended) = busied;
    let fresh = Instant::now();
    let outcome = Connection::new(address).ask(&request::get("/b/burn?ms=5"));
    let fresh = fresh.elapsed();
    let free = rest::wait_until_free(&server, PATIENCE)?;
    let begun_last = begun(address, "a")?;

    let mut readings = Readings::default();
    readings.phase(PHASE);
    readings.put("vanished", Unit::Count, f64::from(clients));
    readings.put("began in time", Unit::Count, asked - begun_first);
    readings.put("while leaving", Unit::Count, noticed - asked);
    readings.put("began after", Unit::Count, begun_last - noticed);
    readings.put("left after", Unit::Seconds, (gone - start).as_secs_f64());
    readings.put("busy until", Unit::Seconds, (ended - start).as_secs_f64());
    readings.put("fresh 5 ms job", Unit::Ms, fresh.as_secs_f64() * 1e3);
    readings.put("free after", Unit::Seconds, (free - ended).as_secs_f64());
    readings.put("busy answered", Unit::Count, Records(&busied).status(200));
    readings.account(alternative, "busy", &busied, busied.len());
    if !matches!(outcome, Outcome::Answered { status: 200, .. }) {
        readings.notes.push(format!("the fresh job: {outcome:?}"));
    }
    server.stop(&mut readings)?;
    Ok(readings)
}

/// Each client sends a request on a connection of its own; they stay until they are dropped.
fn ask(address: SocketAddr, clients: u32) -> io::Result<Vec<TcpStream>> {
    let request = request::get("/a/burn?ms=50");
    let send = |_| {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(&request)?;
        Ok(stream)
    };
    (0..clients).map(send).collect()
}

/// Half of them close their connections, the others reset them.
fn vanish(clients: Vec<TcpStream>) -> io::Result<()> {
    for (number, stream) in clients.into_iter().enumerate() {
        if number % 2 == 1 {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
    }
    Ok(())
}

/// How many heavy handlers of a route have begun.
fn begun(address: SocketAddr, route: &str) -> io::Result<f64> {
    let answer = Connection::new(address)
        .answer(&request::get("/stats"))
        .map_err(|failure| io::Error::other(failure.name()))?;
    let counts: BTreeMap<String, f64> =
        serde_json::from_slice(&answer.body).map_err(io::Error::other)?;
    counts
        .get(route)
        .copied()
        .ok_or_else(|| io::Error::other("an unknown route"))
}

fn wait_until_begun(address: SocketAddr, route: &str, count: u32) -> io::Result<()> {
    let start = Instant::now();
    while begun(address, route)? < f64::from(count) {
        if start.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn judge(results: &Results) -> Vec<Check> {
    let auto = |column| results.auto(PHASE, column);
    vec![
        Check::at_most(
            "jobs that began after their clients left",
            auto("began after"),
            Some(0.0),
        ),
        Check::at_most("a fresh 5 ms job in ms", auto("fresh 5 ms job"), Some(50.0)),
        Check::at_most("free again after, s", auto("free after"), Some(1.0)),
    ]
}
