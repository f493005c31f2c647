//! A light route on its event loop allocates no more than it does without the plugin, and servers that have ended keep no
//! memory.
//!
//! A test binary of its own, because it counts with a global allocator.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicIsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use actix_http::Request;
use actix_offload::{Mode, Offload};
use actix_service::IntoServiceFactory;
use actix_web::{
    App, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{AppConfig, Response, Service, ServiceFactory},
    test::TestRequest,
    web,
};
use offload_tests::connection::Connection;

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// What all threads hold, in bytes.
static HELD: AtomicIsize = AtomicIsize::new(0);

/// One test at a time: what one of them holds would be another's.
static ALONE: Mutex<()> = Mutex::new(());

fn hold(more: usize, less: usize) {
    HELD.fetch_add(more as isize - less as isize, Relaxed);
}

fn count() {
    // A thread that is being torn down need not be counted.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

#[expect(unsafe_code, reason = "a global allocator cannot be written without")]
// SAFETY: every call goes on to the system's allocator as it came, so its contract is kept; counting
// touches an atomic and a const-initialised thread-local without a destructor, which themselves allocate nothing.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the trait demands `unsafe`; the caller's promises go on to the system's `alloc` unchanged.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as for `alloc`; what is freed here was allocated by the system's allocator.
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        hold(0, layout.size());
        // SAFETY: `ptr` came from `alloc` above with this layout, hence from the system's allocator.
        unsafe { System.dealloc(ptr, layout) }
    }

    // SAFETY: as for `dealloc`; the new size is the caller's promise, passed on unchanged.
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        hold(new_size, layout.size());
        // SAFETY: as for `dealloc`; the caller vouches for the size.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

async fn index() -> HttpResponse {
    HttpResponse::Ok().body("hello")
}

fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(index))
        .route("/users/{id}", web::get().to(index));
}

/// Allocations of one request to each of two routes, after warm-up, on this thread.
async fn allocations<F, B>(factory: F) -> u64
where
    F: ServiceFactory<Request, Config = AppConfig>,
    F::InitError: std::fmt::Debug,
    F::Response: Into<Response<B>>,
    F::Error: std::fmt::Debug,
    B: MessageBody,
{
    let service = factory
        .new_service(AppConfig::default())
        .await
        .expect("starts");
    let answer = async |path| {
        let request = TestRequest::with_uri(path).to_request();
        let before = COUNT.get();
        let response: Response<B> = service.call(request).await.expect("answers").into();
        drop(response);
        COUNT.get() - before
    };
    for _ in 0..500 {
        answer("/").await;
        answer("/users/7").await;
    }
    let mut sum = 0;
    for _ in 0..100 {
        sum += answer("/").await + answer("/users/7").await;
    }
    sum
}

#[test]
fn a_light_route_allocates_no_more_than_bare() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    actix_web::rt::System::new().block_on(compare());
}

async fn compare() {
    let bare = allocations(App::new().configure(configure).into_factory()).await;
    assert!(bare > 0, "nothing was counted");

    // Of a run that is dear the plugin asks actix for its pattern, which allocates. Here no interrupt makes a run dear.
    let settings = || Offload::builder().budget(Duration::from_millis(100));
    let learned = settings().build().expect("starts");
    let with_learned = allocations((learned.app(|| App::new().configure(configure)))()).await;
    let report = learned.report();
    let on_loop: u64 = report.routes.iter().map(|route| route.loop_runs).sum();
    assert!(
        on_loop >= 200,
        "the routes did not come to the event loop: {report:?}"
    );
    assert!(
        with_learned <= bare,
        "{with_learned} instead of {bare} for 200 requests"
    );

    let always_loop = settings().mode(Mode::Loop).build().expect("starts");
    let pinned = allocations((always_loop.app(|| App::new().configure(configure)))()).await;
    assert!(
        pinned <= bare,
        "{pinned} instead of {bare} for 200 requests"
    );
}

const PATIENCE: Duration = Duration::from_secs(10);

/// Serves an app for a moment.
fn serve<F, I, S, B>(app: F)
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(app)
            .workers(2)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .expect("a free port");
        let addr = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        let visitor = thread::spawn(move || {
            for path in ["/", "/users/7"] {
                let mut connection = Connection::open(addr).expect("connects");
                let request =
                    format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
                connection.send(request.as_bytes()).expect("sends");
                assert_eq!(connection.read_response().expect("answers").status(), 200);
            }
            drop(handle.stop(false));
        });
        server.await.expect("the server ends well");
        visitor.join().expect("no panic");
    });
}

/// What one server that has ended keeps: the median of several averages, because what is loaded once in the background is
/// held as well.
fn kept(serve: impl Fn(), enough: isize) -> isize {
    const SERVERS: isize = 20;
    serve();
    let mut rounds = [(); 5].map(|()| {
        let before = HELD.load(Relaxed);
        (0..SERVERS).for_each(|_| serve());
        let each = || (HELD.load(Relaxed) - before) / SERVERS;
        // Threads of the last ones may still be about to end.
        let start = Instant::now();
        while each() > enough && start.elapsed() < PATIENCE {
            thread::park_timeout(Duration::from_millis(1));
        }
        each()
    });
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

#[test]
fn a_server_that_has_ended_keeps_no_memory() {
    /// Before, it was 72 KB for each of two event loops.
    const ENOUGH: isize = 2 * 1024;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let offload = Offload::builder().lanes(|lanes| lanes.threads(1).spare_threads(0));
    let offload = offload.build().expect("starts");
    let app = || App::new().configure(configure);
    let kept = kept(|| serve(offload.app(app)), ENOUGH);
    println!("{kept} bytes a server");
    assert!(kept <= ENOUGH, "{kept} bytes a server");
}
