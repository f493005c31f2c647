//! Starts each example as its reader would, asks it for what it says it has, and ends it.
//!
//! Cargo builds the examples for `cargo test`, but not for `--tests` or `--test run` alone: add `--examples` to these.

use std::{
    env,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use offload_tests::{client::Client, response::RawResponse};

type Tested = Result<(), Box<dyn Error>>;

/// There are so many primes below 10,000.
const COUNT: &str = "1229";

/// For what comes at once, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that ends with the test, also with one that fails.
struct Example {
    child: Child,
    // Open for as long as the server runs, which may go on to write.
    output: Option<BufReader<ChildStdout>>,
    address: SocketAddr,
    client: Client,
}

impl Example {
    fn start(name: &str) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(beside_the_test(name)?)
            .arg("127.0.0.1:0")
            // Where examples may leave files.
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .env_remove("OFFLOAD")
            // Milliseconds between two exports of spans.
            .env("OTEL_BSP_SCHEDULE_DELAY", "10")
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        // An example that ends before it listens ends its output too, so this never waits for nothing.
        output.read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on ");
        let Some(Ok(address)) = address.map(str::parse::<SocketAddr>) else {
            child.kill()?;
            return Err(format!("{name} said {line:?}, and ended by {}", child.wait()?).into());
        };
        Ok(Self {
            child,
            output: Some(output),
            address,
            client: Client::new(address),
        })
    }

    /// Asks for a page that must be there.
    fn get(&self, path: &str) -> Result<RawResponse, Box<dyn Error>> {
        let response = self.client.get(path)?;
        if response.status() != 200 {
            return Err(format!("{path} was answered {response:?}").into());
        }
        Ok(response)
    }

    fn text(&self, path: &str) -> Result<String, Box<dyn Error>> {
        Ok(String::from_utf8(self.get(path)?.body)?)
    }
}

impl Example {
    /// The lines that it goes on to write.
    fn lines(&mut self) -> Result<Receiver<String>, Box<dyn Error>> {
        let output = self.output.take().ok_or("somebody reads them")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Who listens no longer has heard enough; the server may go on to write.
                let _heard = sender.send(line);
            }
        });
        Ok(lines)
    }

    /// Ends it as a terminal does.
    #[cfg(unix)]
    fn interrupt(&mut self) -> Tested {
        // It is ours and not waited for yet, so the number can't be anybody else's.
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status()?.success());
        let ended = self.child.wait()?;
        assert!(ended.success(), "{ended}");
        Ok(())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Cargo puts examples into the folder beside that of the tests.
fn beside_the_test(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let test = env::current_exe()?;
    let profile = test.ancestors().nth(2).ok_or("no folder of the profile")?;
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let path = profile.join("examples").join(file);
    if !path.exists() {
        return Err(format!("no {}: build with --examples", path.display()).into());
    }
    Ok(path)
}

/// Asserts that the light route and these heavy ones answer, and again, when they are known.
fn serves(name: &str, heavy: &[&str]) -> Tested {
    let example = Example::start(name)?;
    for _ in 0..2 {
        assert_eq!(example.text("/")?, "hello");
        for path in heavy {
            assert_eq!(example.text(path)?, COUNT, "{name}{path}");
        }
    }
    Ok(())
}

/// Asserts that the response says where it was made.
fn made_on(response: &RawResponse, place: &str) {
    let timing = response.header("server-timing").unwrap_or_default();
    let place = format!("place;desc=\"{place}\"");
    assert!(timing.contains(&place), "{timing:?} has no {place}");
}

#[test]
fn actix_minimal() -> Tested {
    serves("actix_minimal", &["/primes/10000"])
}

#[test]
fn actix_settings() -> Tested {
    let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("offload.json");
    // What an earlier test has left, if any.
    let _removed = fs::remove_file(&profile);
    let mut example = Example::start("actix_settings")?;
    for _ in 0..2 {
        let light = example.get("/")?;
        assert_eq!(light.body, b"hello");
        made_on(&light, "loop");
        let heavy = example.get("/primes/10000")?;
        assert_eq!(heavy.body, COUNT.as_bytes());
        made_on(&heavy, "lane");
    }
    let no_number = ["X-Request-Timeout-Ms: soon"];
    let refused = example
        .client
        .ask("GET", "/primes/10000", &no_number, b"")?;
    assert_eq!(refused.status(), 400);
    #[cfg(unix)]
    {
        example.interrupt()?;
        assert!(profile.metadata()?.len() > 0);
    }
    Ok(())
}

#[test]
fn actix_metrics() -> Tested {
    let example = Example::start("actix_metrics")?;
    assert_eq!(example.text("/")?, "hello");
    assert_eq!(example.text("/primes/10000")?, COUNT);
    let is_of_lane = |line: &str| {
        line.starts_with("offload_requests_total")
            && line.contains("route=\"/primes/{below}\"")
            && line.contains("placement=\"lane\"")
            && line.ends_with(" 1")
    };
    // A run is counted when it is over, which may be after its response was read.
    let mut metrics = String::new();
    for _ in 0..1000 {
        metrics = example.text("/metrics")?;
        if metrics.lines().any(is_of_lane) {
            break;
        }
    }
    assert!(metrics.lines().any(is_of_lane), "{metrics}");
    for name in [
        "offload_lane_threads",
        "offload_lane_run_seconds_bucket",
        "offload_loop_requests_total",
        "offload_stall_threshold_seconds",
    ] {
        assert!(metrics.contains(name), "no {name} in:\n{metrics}");
    }
    Ok(())
}

#[test]
fn axum_minimal() -> Tested {
    serves("axum_minimal", &["/primes/10000"])
}

#[test]
fn axum_settings() -> Tested {
    let example = Example::start("axum_settings")?;
    for _ in 0..2 {
        let light = example.get("/")?;
        assert_eq!(light.body, b"hello");
        made_on(&light, "loop");
        let heavy = example.get("/primes/10000")?;
        assert_eq!(heavy.body, COUNT.as_bytes());
        made_on(&heavy, "lane");
    }
    let no_number = ["X-Request-Timeout-Ms: soon"];
    let refused = example
        .client
        .ask("GET", "/primes/10000", &no_number, b"")?;
    assert_eq!(refused.status(), 400);
    let report = example.text("/report")?;
    assert!(report.contains("/primes/{below}"), "{report}");
    Ok(())
}

#[test]
fn hyper_by_hand() -> Tested {
    let example = Example::start("hyper_by_hand")?;
    assert_eq!(example.text("/")?, "hello");
    let heavy = example.get("/primes/10000")?;
    assert_eq!(heavy.body, COUNT.as_bytes());
    // Nothing is known of a route at its first request, so that one is on a lane.
    made_on(&heavy, "lane");
    assert_eq!(example.client.get("/nowhere")?.status(), 404);
    Ok(())
}

#[test]
fn smol() -> Tested {
    serves("smol", &["/primes/10000"])
}

#[test]
fn migrate_from_web_block() -> Tested {
    serves("migrate_from_web_block", &["/before/10000", "/after/10000"])
}

#[test]
fn migrate_from_spawn_blocking() -> Tested {
    let heavy = ["/before/10000", "/after/10000"];
    serves("migrate_from_spawn_blocking", &heavy)
}

#[test]
fn offload_attribute() -> Tested {
    let example = Example::start("offload_attribute")?;
    assert_eq!(example.text("/")?, "hello");
    for path in ["/primes/10000", "/unlayered/10000"] {
        let counted = example.text(path)?;
        let on_a_lane = format!("{COUNT} on offload-");
        assert!(counted.starts_with(&on_a_lane), "{path}: {counted}");
    }
    Ok(())
}

/// The lines of its client, one for each call.
fn calls_of_tonic(server: &Example, arguments: &[&str]) -> Result<Vec<String>, Box<dyn Error>> {
    let asked = Command::new(beside_the_test("tonic")?)
        .args(["ask", &server.address.to_string()])
        .args(arguments)
        .output()?;
    assert!(asked.status.success(), "{asked:?}");
    let answers = String::from_utf8(asked.stdout)?;
    Ok(answers.lines().map(str::to_owned).collect())
}

#[test]
fn tonic() -> Tested {
    let example = Example::start("tonic")?;
    for _ in 0..2 {
        assert_eq!(calls_of_tonic(&example, &["10000"])?, [COUNT]);
    }
    // Each takes many times as long as it takes to refuse all of those that find no room.
    let answers = calls_of_tonic(&example, &["300000", "60"])?;
    assert_eq!(answers.len(), 60);
    let refused = "ResourceExhausted: overloaded";
    assert!(
        answers.iter().any(|answer| answer == refused),
        "{answers:?}"
    );
    let known = |answer: &String| answer == refused || answer == "25997";
    assert!(answers.iter().all(known), "{answers:?}");
    // It cannot come in time: it is refused, or given up.
    let late = calls_of_tonic(&example, &["300000", "1", "1"])?;
    assert!(late[0].contains(": "), "{late:?}");
    Ok(())
}

/// A line of the example: trace, span, parent, name.
fn span(line: &str) -> Option<[&str; 4]> {
    let (ids, name) = line.strip_prefix("trace ")?.split_once(": ")?;
    let (trace, ids) = ids.split_once(" span ")?;
    let (own, parent) = ids.split_once(" of ")?;
    Some([trace, own, parent, name])
}

#[test]
fn opentelemetry() -> Tested {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const CALLER: &str = "b7ad6b7169203331";
    let mut example = Example::start("opentelemetry")?;
    let lines = example.lines()?;
    let caller = format!("traceparent: 00-{TRACE}-{CALLER}-01");
    let asked = example
        .client
        .ask("GET", "/primes/10000", &[&caller], b"")?;
    assert_eq!(asked.body, COUNT.as_bytes());
    let mut text = String::new();
    let find = |text: &str, wanted: &str| {
        let mut spans = text.lines().filter_map(span);
        let found = spans.find(|[trace, _, _, name]| *trace == TRACE && *name == wanted);
        found.map(|[_, own, parent, _]| (own.to_owned(), parent.to_owned()))
    };
    // They are written when they end, the request's last.
    let names = ["HTTP", "queue", "run", "count"];
    while names.iter().any(|name| find(&text, name).is_none()) {
        let line = lines.recv_timeout(PATIENCE);
        text += &line.map_err(|_| format!("no more than\n{text}"))?;
        text.push('\n');
    }
    let [request, queue, run, count] = names.map(|name| find(&text, name).unwrap_or_default());
    assert_eq!(request.1, CALLER, "{text}");
    assert_eq!(queue.1, request.0, "{text}");
    assert_eq!(run.1, request.0, "{text}");
    assert_eq!(count.1, run.0, "{text}");
    assert_eq!(example.text("/")?, "hello");
    Ok(())
}

#[test]
fn pins_and_profile() -> Tested {
    let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("learned.json");
    // What an earlier test has left, if any.
    let _removed = fs::remove_file(&profile);
    let example = Example::start("pins_and_profile")?;
    assert_eq!(example.text("/")?, "hello");
    assert_eq!(example.text("/health")?, "alive");
    for path in ["/primes/10000", "/login/10000", "/report/10000"] {
        assert_eq!(example.text(path)?, COUNT);
    }
    let routes = example.text("/routes")?;
    for pinned in ["/health", "/primes/{below}"] {
        assert!(routes.contains(pinned), "{routes}");
    }
    #[cfg(unix)]
    {
        let mut example = example;
        example.interrupt()?;
        assert!(fs::read_to_string(&profile)?.contains("/login/{below}"));
        let again = Example::start("pins_and_profile")?;
        let routes = again.text("/routes")?;
        // Nobody has asked for it yet.
        assert!(routes.contains("/login/{below}"), "{routes}");
    }
    Ok(())
}

#[test]
fn third_adapter() -> Tested {
    let example = Example::start("third_adapter")?;
    for _ in 0..2 {
        assert_eq!(example.text("/")?, "hello");
    }
    // Nothing is known of a route at its first request, so that one is on a lane.
    let counted = example.text("/primes/10000")?;
    let on_a_lane = format!("{COUNT} on offload-");
    assert!(counted.starts_with(&on_a_lane), "{counted}");
    for _ in 0..5 {
        assert_eq!(example.client.get("/panic")?.status(), 500);
    }
    assert_eq!(example.client.get("/nowhere")?.status(), 404);
    assert_eq!(example.text("/")?, "hello");
    Ok(())
}
