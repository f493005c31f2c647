//! What handlers do with the runtime around them: tasks, timers, threads, sockets, `!Send` state.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    thread,
    time::Duration,
};

use actix_web::{
    HttpResponse, Result, rt,
    web::{self, ServiceConfig},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
};

use super::super::{app, case::Case, compare::compare, request::Request};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// A cache without a lock, as each instance of an app may have one.
#[derive(Default)]
struct Cache {
    squares: RefCell<BTreeMap<u64, Rc<str>>>,
}

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    let cache = Rc::new(Cache::default());
    let wakes = Rc::new(Notify::new());
    cfg.service(
        web::scope("/runtime")
            .route(
                "/cache/{n}",
                web::get().to(move |n: web::Path<u64>| {
                    let cache = Rc::clone(&cache);
                    async move { cached(&cache, *n).to_string() }
                }),
            )
            .route(
                "/notify",
                web::get().to(move || {
                    let wakes = Rc::clone(&wakes);
                    async move {
                        let waker = Rc::clone(&wakes);
                        rt::spawn(async move { waker.notify_one() });
                        wakes.notified().await;
                        "notified"
                    }
                }),
            )
            .route("/rt-spawn", web::get().to(rt_spawn))
            .route("/tokio-spawn", web::get().to(tokio_spawn))
            .route("/spawn-local", web::get().to(spawn_local))
            .route("/detached", web::get().to(detached))
            .route("/timer/{ms}", web::get().to(timer))
            .route("/timeout", web::get().to(timeout))
            .route("/interval", web::get().to(interval))
            .route("/block", web::get().to(block))
            .route("/block-panics", web::get().to(block_panics))
            .route("/spawn-blocking", web::get().to(spawn_blocking))
            .route("/thread", web::get().to(thread_channel))
            .route("/socket", web::get().to(socket))
            .route("/file", web::get().to(file))
            .route("/join", web::get().to(join))
            .route("/select", web::get().to(select))
            .route("/aborted", web::get().to(aborted))
            .route("/task-panics", web::get().to(task_panics))
            .route("/yields/{n}", web::get().to(yields))
            .route("/rayon", web::get().to(nested_rayon))
            .route("/thread-local", web::get().to(thread_local_depth))
            .route("/handle", web::get().to(handle))
            .route("/heavy", web::get().to(heavy)),
    );
}

fn cached(cache: &Cache, n: u64) -> Rc<str> {
    let mut squares = cache.squares.borrow_mut();
    Rc::clone(
        squares
            .entry(n)
            .or_insert_with(|| (n * n).to_string().into()),
    )
}

async fn rt_spawn() -> Result<String> {
    let local = Rc::new(7);
    let task = rt::spawn(async move {
        tokio::task::yield_now().await;
        *local
    });
    Ok(format!("{:?}", task.await.ok()))
}

async fn tokio_spawn() -> String {
    let task = tokio::spawn(async {
        tokio::task::yield_now().await;
        8
    });
    format!("{:?}", task.await.ok())
}

async fn spawn_local() -> String {
    let local = Rc::new(Cell::new(0));
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            let local = Rc::clone(&local);
            tokio::task::spawn_local(async move {
                tokio::task::yield_now().await;
                local.set(local.get() + n);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task ends");
    }
    local.get().to_string()
}

/// The task goes on after the response.
async fn detached() -> &'static str {
    let (started, start) = oneshot::channel();
    rt::spawn(async move {
        let _sent = started.send(());
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    });
    start.await.expect("the task starts");
    "detached"
}

/// A timer ends, and not before its time.
async fn timer(ms: web::Path<u64>) -> String {
    let due = rt::time::Instant::now() + Duration::from_millis(*ms);
    rt::time::sleep_until(due).await;
    let early = rt::time::Instant::now() < due;
    format!("timer of {ms}, early: {early}")
}

async fn timeout() -> String {
    let never = std::future::pending::<()>();
    let ended = rt::time::timeout(Duration::from_millis(2), never).await;
    ended.is_err().to_string()
}

async fn interval() -> String {
    let mut interval = rt::time::interval(Duration::from_millis(1));
    for _ in 0..3 {
        interval.tick().await;
    }
    "three ticks".to_owned()
}

async fn block() -> Result<String> {
    let sum = web::block(|| (1..=1000_u64).sum::<u64>()).await?;
    Ok(sum.to_string())
}

async fn block_panics() -> Result<String> {
    web::block(|| std::panic::resume_unwind(Box::new("inside of block"))).await?;
    Ok("never".to_owned())
}

async fn spawn_blocking() -> String {
    let task = tokio::task::spawn_blocking(|| thread::current().name().is_some());
    format!("{:?}", task.await.is_ok())
}

async fn thread_channel() -> String {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || sender.send("from a thread"));
    receiver.await.expect("the thread sends").to_owned()
}

async fn socket() -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let addr = listener.local_addr()?;
    let server = rt::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(b"over a socket").await
    });
    let mut text = String::new();
    TcpStream::connect(addr)
        .await?
        .read_to_string(&mut text)
        .await?;
    server.await.expect("no panic")?;
    Ok(text)
}

async fn file() -> Result<String> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let text = web::block(move || std::fs::read_to_string(manifest)).await??;
    Ok(text)
}

async fn join() -> String {
    let both = futures_util::future::join(
        async {
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            1
        },
        async {
            tokio::task::yield_now().await;
            2
        },
    );
    format!("{:?}", both.await)
}

async fn select() -> String {
    tokio::select! {
        () = std::future::pending() => "slow".to_owned(),
        () = tokio::task::yield_now() => "fast".to_owned(),
    }
}

async fn aborted() -> String {
    let task = rt::spawn(std::future::pending::<()>());
    task.abort();
    let ended = task.await;
    ended.is_err_and(|err| err.is_cancelled()).to_string()
}

async fn task_panics() -> String {
    let task = rt::spawn(async { std::panic::resume_unwind(Box::new("inside of a task")) });
    let ended: std::result::Result<(), _> = task.await;
    ended.is_err_and(|err| err.is_panic()).to_string()
}

async fn yields(n: web::Path<usize>) -> String {
    for _ in 0..*n {
        tokio::task::yield_now().await;
    }
    format!("yielded {n}")
}

async fn nested_rayon() -> String {
    use rayon::prelude::*;
    let (sum, mut sorted) = rayon::join(
        || (0..10_000_u64).into_par_iter().sum::<u64>(),
        || (0..1000_u64).rev().collect::<Vec<_>>(),
    );
    sorted.par_sort_unstable();
    format!("{sum} {:?}", &sorted[..3])
}

/// Must not see another request's mark, as long as it does not await.
async fn thread_local_depth() -> String {
    let depth = DEPTH.get();
    DEPTH.set(depth + 1);
    let seen = DEPTH.get();
    DEPTH.set(depth);
    seen.to_string()
}

async fn handle() -> String {
    let system = rt::System::try_current().is_some();
    let handle = tokio::runtime::Handle::try_current().is_ok();
    format!("system {system} handle {handle}")
}

/// Heavy by any budget, so that learned placement keeps it on a lane.
async fn heavy() -> HttpResponse {
    let mut state = 1_u64;
    for n in 0..300_000_u64 {
        state = std::hint::black_box(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(n),
        );
    }
    HttpResponse::Ok().body(state.to_string())
}

fn cases() -> Vec<Case> {
    let slow_first = [
        Request::get("/runtime/yields/20"),
        Request::get("/runtime/yields/1"),
        Request::get("/runtime/cache/3"),
    ];
    let pipelined = slow_first
        .iter()
        .flat_map(Request::bytes)
        .collect::<Vec<_>>();
    let paths = [
        ("/runtime/cache/12", "| 144"),
        ("/runtime/notify", "| notified"),
        ("/runtime/rt-spawn", "| Some(7)"),
        ("/runtime/tokio-spawn", "| Some(8)"),
        ("/runtime/spawn-local", "| 6"),
        ("/runtime/detached", "| detached"),
        ("/runtime/timer/0", "| timer of 0, early: false"),
        ("/runtime/timer/5", "| timer of 5, early: false"),
        ("/runtime/timeout", "| true"),
        ("/runtime/interval", "| three ticks"),
        ("/runtime/block", "| 500500"),
        ("/runtime/block-panics", "HTTP/1.1 500 "),
        ("/runtime/spawn-blocking", "| true"),
        ("/runtime/thread", "| from a thread"),
        ("/runtime/socket", "| over a socket"),
        ("/runtime/file", "offload-tests"),
        ("/runtime/join", "| (1, 2)"),
        ("/runtime/select", "| fast"),
        ("/runtime/aborted", "| true"),
        ("/runtime/task-panics", "| true"),
        ("/runtime/yields/100", "| yielded 100"),
        ("/runtime/rayon", "| 49995000"),
        ("/runtime/thread-local", "| 1"),
        ("/runtime/handle", "| system true handle true"),
        ("/runtime/heavy", "HTTP/1.1 200 "),
    ];
    let mut cases: Vec<_> = paths
        .into_iter()
        .map(|(path, says)| Case::get(path).says(says))
        .collect();
    cases.push(
        Case::new("a slow request does not let later ones pass")
            .send(pipelined)
            .response()
            .response()
            .response()
            .says("| 9"),
    );
    cases
}

#[test]
fn the_runtime_is_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn the_runtime_is_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}
