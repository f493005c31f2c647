//! Starts each example as its reader would, asks it for what it says it has, and ends it.
//!
//! Cargo builds the examples for `cargo test`, but not for `--tests` or `--test run` alone: add `--examples` to these.

use std::{
    env,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use offload_tests::{client::Client, response::RawResponse};

type Tested = Result<(), Box<dyn Error>>;

/// There are so many primes below 10,000.
const COUNT: &str = "1229";

/// A server that ends with the test, also with one that fails.
struct Example {
    child: Child,
    // Open for as long as the server runs, which may go on to write.
    _output: BufReader<ChildStdout>,
    client: Client,
}

impl Example {
    fn start(name: &str) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(beside_the_test(name)?)
            .arg("127.0.0.1:0")
            // Where examples may leave files.
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .env_remove("OFFLOAD")
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        // An example that ends before it listens ends its output too, so this never waits for nothing.
        output.read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on ");
        let Some(Ok(address)) = address.map(str::parse) else {
            child.kill()?;
            return Err(format!("{name} said {line:?}, and ended by {}", child.wait()?).into());
        };
        Ok(Self {
            child,
            _output: output,
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
    if cfg!(unix) {
        // It is ours and not waited for yet, so the number can't be anybody else's.
        let id = example.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status()?.success());
        let ended = example.child.wait()?;
        assert!(ended.success(), "{ended}");
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
