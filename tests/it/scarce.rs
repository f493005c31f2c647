//! Where the system gives no threads, or no memory for them, the plugin says so, and nothing panics or ends the process.
//!
//! Limits are the process's, so each of these tests has processes to itself, in which any panic is the end.

use std::{
    env, fs, panic,
    process::{self, Command, Output},
    time::{Duration, Instant},
};

use actix_offload::{BuildError, Offload, StallKind, StallWatch};
use actix_web::{App, rt, test, web};
use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{Uid, geteuid, setuid},
};

/// What the process is to do that is started for a test.
const PART: &str = "OFFLOAD_TEST_SCARCE_PART";

/// Runs the test `name` again, in a process of its own that knows its part from [`part`].
fn start(name: &str, part: u64) -> Output {
    Command::new(env::current_exe().expect("this program"))
        .args([&format!("scarce::{name}"), "--exact", "--nocapture"])
        .env(PART, part.to_string())
        .output()
        .expect("the program starts")
}

/// The part of a process that was started for a test. From then on any panic is its end.
fn part() -> Option<u64> {
    let part = env::var(PART).ok()?.parse().expect("a number");
    panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        process::abort();
    }));
    Some(part)
}

/// What a process wrote, if it ended as tests do.
fn passed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Makes this process one of a user who is bound by limits. Root is not.
fn is_bound() -> bool {
    // A number that no other process has makes what this one has all that the user has.
    let unused = Uid::from_raw(2_000_000 + process::id());
    let bound = !geteuid().is_root() || setuid(unused).is_ok();
    if !bound {
        println!("skipped: root here can't become another user");
    }
    bound
}

fn limit(resource: Resource, soft: u64) {
    let (_, hard) = getrlimit(resource).expect("Linux");
    setrlimit(resource, soft.min(hard), hard).expect("below the hard one");
}

/// Whether a thread of this process has this name.
fn has_thread(name: &str) -> bool {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    // Some end meanwhile.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.into_iter().any(|own| own.trim() == name)
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

#[::core::prelude::v1::test]
fn each_number_of_threads_is_enough_or_an_error_that_names_the_limit() {
    const NAME: &str = "each_number_of_threads_is_enough_or_an_error_that_names_the_limit";
    if part().is_none() {
        print!("{}", passed(&start(NAME, 0)));
        return;
    }
    if !is_bound() {
        return;
    }
    let mut built = 0;
    for most in 0..40 {
        limit(Resource::RLIMIT_NPROC, most);
        match Offload::builder().lanes(|lanes| lanes.threads(2)).build() {
            Ok(offload) => {
                built += 1;
                let ran = rt::System::new().block_on(offload.lanes().run(|| 7));
                assert_eq!(ran.expect("no panic"), 7);
                break;
            }
            Err(BuildError::NoThreads(none)) => {
                let none = none.to_string();
                for words in ["the system gives", "`ulimit -u`", "ask for fewer threads"] {
                    assert!(none.contains(words), "{none} has no {words}");
                }
            }
            Err(other) => panic!("{other:?} with {most}"),
        }
    }
    println!("{built} of 1 was built");
}

#[::core::prelude::v1::test]
fn each_address_space_is_enough_or_an_error_that_names_the_limit() {
    const NAME: &str = "each_address_space_is_enough_or_an_error_that_names_the_limit";
    if let Some(more) = part() {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
        let size: u64 = size
            .and_then(|size| size.split_ascii_whitespace().next()?.parse().ok())
            .expect("the kernel tells");
        limit(Resource::RLIMIT_AS, (size + 1024 * more) * 1024);
        match Offload::builder().lanes(|lanes| lanes.threads(2)).build() {
            Ok(offload) => {
                until("the names are read, or not", || {
                    !has_thread("offload-names")
                });
                drop(offload);
                println!("built");
            }
            Err(error) => println!("{error}"),
        }
        return;
    }
    let mut built = [0, 0];
    // Not those at which the C library's allocator has just enough for 64 MiB more: while it finds out that these lie badly, nobody
    // else gets any, and there is nothing that we could do.
    for more in (4..60).step_by(4).chain([110, 200, 400]) {
        let text = passed(&start(NAME, more));
        let enough = text.contains("\nbuilt\n");
        let named = text.contains("the system gives") && text.contains("`ulimit -v`");
        assert!(enough || named, "with {more} MiB more: {text}");
        built[usize::from(enough)] += 1;
    }
    assert!(built.iter().all(|count| *count > 0), "{built:?}");
}

#[::core::prelude::v1::test]
fn a_server_that_runs_out_of_threads_later_goes_on() {
    const NAME: &str = "a_server_that_runs_out_of_threads_later_goes_on";
    if part().is_none() {
        print!("{}", passed(&start(NAME, 0)));
        return;
    }
    if !is_bound() {
        return;
    }
    const LIMIT: Duration = Duration::from_millis(20);
    let watch = StallWatch::builder().blocking_pool(Some(LIMIT));
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .stall_watch(watch);
    let offload = offload.build().expect("there are threads yet");
    limit(Resource::RLIMIT_NPROC, 0);
    rt::System::new().block_on(async {
        let app = App::new()
            .wrap(offload.clone())
            .service(offload.live())
            .route("/", web::get().to(|| async { "hello" }));
        let service = test::init_service(app).await;
        let begun = Instant::now();
        // The watch asks the pool of this event loop each 20 ms whether it is full.
        while begun.elapsed() < 20 * LIMIT {
            for path in ["/", "/_offload/state"] {
                let request = test::TestRequest::get().uri(path).to_request();
                let answer = test::call_service(&service, request).await;
                assert_eq!(answer.status(), 200, "{path}");
            }
        }
        let stalls = offload.report().stalls;
        assert!(
            stalls
                .iter()
                .all(|stall| stall.kind != StallKind::BlockingPool),
            "an idle pool is not full: {stalls:?}"
        );
    });
}
