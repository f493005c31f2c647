//! A light route on its event loop allocates no more than it does without the plugin.
//!
//! A test binary of its own, because it counts with a global allocator.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use actix_http::Request;
use actix_offload::{Offload, Policy};
use actix_service::IntoServiceFactory;
use actix_web::{
    App, HttpResponse,
    body::MessageBody,
    dev::{AppConfig, Response, Service, ServiceFactory},
    test::TestRequest,
    web,
};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being torn down need not be counted.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

#[expect(unsafe_code, reason = "a global allocator cannot be written without")]
// SAFETY: every call goes on to the system's allocator as it came, so its contract is kept; counting
// touches a const-initialised thread-local without a destructor, which itself allocates nothing.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the trait demands `unsafe`; the caller's promises go on to the system's `alloc` unchanged.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as for `alloc`; what is freed here was allocated by the system's allocator.
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `alloc` above with this layout, hence from the system's allocator.
        unsafe { System.dealloc(ptr, layout) }
    }

    // SAFETY: as for `dealloc`; the new size is the caller's promise, passed on unchanged.
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
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

#[actix_web::test]
async fn a_light_route_allocates_no_more_than_bare() {
    let bare = allocations(App::new().configure(configure).into_factory()).await;
    assert!(bare > 0, "nothing was counted");

    let learned = Offload::new().expect("starts");
    let with_learned = allocations((learned.app(|| App::new().configure(configure)))()).await;
    let report = learned.report();
    let on_loop: u64 = report.event_loops.iter().map(|l| l.requests).sum();
    assert!(
        on_loop >= 200,
        "the routes did not come to the event loop: {report:?}"
    );
    assert!(
        with_learned <= bare,
        "{with_learned} instead of {bare} for 200 requests"
    );

    let always_loop = Offload::builder()
        .policy(Policy::AlwaysLoop)
        .build()
        .expect("starts");
    let pinned = allocations((always_loop.app(|| App::new().configure(configure)))()).await;
    assert!(
        pinned <= bare,
        "{pinned} instead of {bare} for 200 requests"
    );
}
