//! Instructions of a case, counted by valgrind's callgrind.
//!
//! Counts are the same on a busy machine, so that a change of one in a hundred shows. A child of the benchmark runs each case
//! under callgrind twice, with some rounds and with twice as many: the difference is what the rounds cost, without the start.
//! Only user space counts. `--check` fails where a count is over its limit, `--json FILE` keeps the counts.
//!
//! A program that counts is about one framework: with another one in it the compiler makes something else of the first.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{self, Command, ExitCode, Stdio},
    time::Duration,
};

use serde_json::json;

use crate::{keep, only_once};

/// For a request that never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is counted, and what it may cost.
///
/// The limit is a third more than was counted when it was set. Where threads wait for each other, as in hops and over sockets,
/// what they do meanwhile counts, and is another number each time.
#[derive(Debug)]
pub struct Case {
    name: &'static str,
    rounds: u64,
    limit: Limit,
}

/// How many instructions a case may cost.
#[derive(Debug)]
pub enum Limit {
    /// The case that others are compared with.
    None,
    /// So many instructions.
    Of(u64),
    /// So many more than another case, which comes before.
    Over(&'static str, u64),
}

/// A case that a child runs. One whose name begins with `socket` is a server: it prints its address, and each of its rounds is a
/// request for `/` that is answered by `hello`, until its standard input ends.
#[must_use]
pub const fn case(name: &'static str, rounds: u64, limit: Limit) -> Case {
    Case {
        name,
        rounds,
        limit,
    }
}

/// The whole of a benchmark: `run` is what a child does for a case of that name, so many times. `once` is run where nothing is
/// to be counted, because counts without optimisation mean nothing.
pub fn main(cases: &[Case], run: impl FnOnce(&str, u64), once: impl FnOnce()) -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [role, name, rounds] = &args[..]
        && role == "--run"
    {
        run(name, rounds.parse().expect("a number of rounds"));
        return ExitCode::SUCCESS;
    }
    if only_once() {
        once();
        return ExitCode::SUCCESS;
    }
    let Ok(version) = Command::new("valgrind").arg("--version").output() else {
        println!(
            "instructions: skipped, there is no valgrind here (Debian: apt-get install valgrind)"
        );
        return ExitCode::SUCCESS;
    };
    println!("instructions in user space, each (callgrind)");
    let mut counts: Vec<(&str, u64)> = Vec::new();
    let mut kept = true;
    for case in cases {
        let counted = match per_round(case) {
            Ok(counted) => counted,
            Err(error) => {
                eprintln!("{}: {error}", case.name);
                return ExitCode::FAILURE;
            }
        };
        let verdict = match case.limit {
            Limit::None => String::new(),
            Limit::Of(limit) => {
                kept &= counted <= limit;
                format!("  limit {limit}")
            }
            Limit::Over(name, limit) => {
                let other = counts.iter().find(|(known, _)| *known == name);
                let (_, bare) = other.expect("the other case comes first");
                let more = counted.saturating_sub(*bare);
                kept &= more <= limit;
                format!("  {more} more than `{name}`, limit {limit}")
            }
        };
        println!("  {:<36} {counted:>7}{verdict}", case.name);
        counts.push((case.name, counted));
    }
    if !kept && args.iter().any(|arg| arg == "--check") {
        eprintln!("instructions: over the limit");
        return ExitCode::FAILURE;
    }
    let valgrind = String::from_utf8_lossy(&version.stdout);
    let instructions: serde_json::Map<_, _> = counts
        .iter()
        .map(|(name, counted)| ((*name).to_owned(), json!(counted)))
        .collect();
    keep(&json!({ "valgrind": valgrind.trim(), "instructions": instructions }))
}

/// One request after the other, as a browser on a kept connection.
fn ask(address: SocketAddr, rounds: u64) -> io::Result<()> {
    const REQUEST: &[u8] =
        b"GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: count/1\r\naccept: */*\r\n\r\n";
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 4096];
    for _ in 0..rounds {
        stream.write_all(REQUEST)?;
        let mut got = 0;
        while !buffer[..got].ends_with(b"hello") {
            let more = stream.read(&mut buffer[got..])?;
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            got += more;
        }
    }
    Ok(())
}

/// Runs a case under callgrind and gives what it counted.
fn count(case: &Case, rounds: u64) -> io::Result<u64> {
    let out = env::temp_dir().join(format!("offload-callgrind-{}", process::id()));
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe()?)
        .args(["--run", case.name, &rounds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if case.name.starts_with("socket") {
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut address)?;
        let address = address.trim().parse().map_err(io::Error::other)?;
        ask(address, rounds)?;
    }
    drop(child.stdin.take());
    let status = child.wait()?;
    let text = fs::read_to_string(&out)?;
    fs::remove_file(&out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    match total.and_then(|total| total.trim().parse().ok()) {
        Some(total) if status.success() => Ok(total),
        _ => Err(io::Error::other(format!("callgrind ended with {status}"))),
    }
}

fn per_round(case: &Case) -> io::Result<u64> {
    let once = count(case, case.rounds)?;
    let twice = count(case, 2 * case.rounds)?;
    Ok(twice.saturating_sub(once) / case.rounds)
}

/// Returns when standard input does, which whoever counts ends.
pub fn until_counted() {
    let _ended = io::stdin().read_to_end(&mut Vec::new());
}
