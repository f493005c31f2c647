//! What an `#[offload]` function does when it runs: where, with what, and what comes back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, ThreadId};

use actix_web::test::{TestRequest, call_and_read_body, init_service};
use actix_web::{App, Responder, get, post, route, routes, web};
use offload_macros::offload;
use pollster::block_on;

#[offload(crate = ::offload_core)]
fn thread_of_plain() -> ThreadId {
    thread::current().id()
}

#[offload(crate = "::offload_core")]
async fn threads_of_async() -> [ThreadId; 2] {
    let before = thread::current().id();
    let mut polled = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut polled, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
    [before, thread::current().id()]
}

#[test]
fn the_body_runs_on_another_thread() {
    assert_ne!(block_on(thread_of_plain()), thread::current().id());
}

#[test]
fn an_async_body_never_runs_here_even_after_it_waited() {
    let here = thread::current().id();
    assert!(!block_on(threads_of_async()).contains(&here));
}

#[test]
fn nothing_begins_before_the_first_poll() {
    #[offload(crate = ::offload_core)]
    fn count(runs: Arc<()>) -> usize {
        Arc::strong_count(&runs)
    }
    let runs = Arc::new(());
    let future = count(Arc::clone(&runs));
    drop(future);
    assert_eq!(Arc::strong_count(&runs), 1);
    assert_eq!(block_on(count(Arc::clone(&runs))), 2);
}

#[offload(crate = ::offload_core)]
async fn outer() -> [ThreadId; 2] {
    [thread::current().id(), thread_of_plain().await]
}

#[test]
fn an_offloaded_function_may_call_another() {
    let here = thread::current().id();
    assert!(!block_on(outer()).contains(&here));
}

#[offload(crate = ::offload_core)]
fn first_digit(text: String) -> Result<u32, std::num::ParseIntError> {
    let Some(first) = text.get(..1) else {
        return Ok(0);
    };
    let digit: u32 = first.parse()?;
    Ok(digit)
}

#[test]
fn return_and_the_question_mark_leave_the_body_only() {
    assert_eq!(block_on(first_digit("42".into())), Ok(4));
    assert_eq!(block_on(first_digit(String::new())), Ok(0));
    assert!(block_on(first_digit("x".into())).is_err());
}

#[offload(crate = ::offload_core)]
fn assemble<const N: usize, T, U>(
    web::Json(parts): web::Json<[T; N]>,
    mut last: U,
    (low, high): (u8, u8),
    _: u8,
    separator: impl Fn() -> String + Send + 'static,
) -> String
where
    T: ToString + Send + 'static,
    U: AsMut<str> + Into<String> + Send + 'static,
{
    last.as_mut().make_ascii_uppercase();
    let mut parts: Vec<String> = parts.iter().map(T::to_string).collect();
    parts.extend([low.to_string(), high.to_string(), last.into()]);
    parts.join(&separator())
}

#[test]
fn patterns_generics_and_opaque_arguments_arrive() {
    let text = assemble(web::Json([1.5, 2.5]), "end".to_owned(), (3, 4), 0, || {
        "-".to_owned()
    });
    assert_eq!(block_on(text), "1.5-2.5-3-4-END");
}

#[offload(crate = ::offload_core)]
fn never() -> ! {
    panic!("the body panicked")
}

#[offload(crate = ::offload_core)]
async fn never_async() -> u8 {
    panic!("the async body panicked")
}

fn message_of(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("the panic reaches the caller");
    payload
        .downcast_ref::<&str>()
        .expect("a panic with a text")
        .to_string()
}

#[test]
fn a_panic_goes_on_in_the_caller() {
    let plain = message_of(|| {
        block_on(never());
    });
    let later = message_of(|| {
        block_on(never_async());
    });
    assert_eq!(
        [plain, later],
        ["the body panicked", "the async body panicked"]
    );
    assert_eq!(block_on(first_digit("7".into())), Ok(7), "the lane goes on");
}

fn this_thread() -> String {
    format!("{:?}", thread::current().id())
}

#[get("/above/{name}")]
#[offload(crate = ::offload_core)]
fn above(name: web::Path<String>) -> impl Responder {
    format!("{name} {}", this_thread())
}

#[offload(crate = ::offload_core)]
#[post("/below")]
async fn below(web::Json(name): web::Json<String>) -> Result<impl Responder, std::io::Error> {
    Ok(format!("{name} {}", this_thread()))
}

#[route("/route", method = "GET", method = "PUT")]
#[offload(crate = ::offload_core)]
fn of_several_methods() -> String {
    format!("route {}", this_thread())
}

#[routes]
#[get("/one")]
#[offload(crate = ::offload_core)]
#[get("/two")]
fn of_several_paths() -> String {
    format!("routes {}", this_thread())
}

#[offload(crate = ::offload_core)]
fn registered_by_hand(query: web::Query<Vec<(String, String)>>) -> String {
    format!("{} {}", query[0].1, this_thread())
}

#[actix_web::test]
async fn handlers_answer_from_another_thread_in_either_order_of_attributes() {
    let app = App::new()
        .service(above)
        .service(below)
        .service(of_several_methods)
        .service(of_several_paths)
        .route("/hand", web::get().to(registered_by_hand));
    let app = init_service(app).await;
    let requests = [
        (TestRequest::get().uri("/above/ann"), "ann"),
        (TestRequest::post().uri("/below").set_json("bob"), "bob"),
        (TestRequest::put().uri("/route"), "route"),
        (TestRequest::get().uri("/one"), "routes"),
        (TestRequest::get().uri("/two"), "routes"),
        (TestRequest::get().uri("/hand?name=cid"), "cid"),
    ];
    for (request, name) in requests {
        let body = call_and_read_body(&app, request.to_request()).await;
        let body = std::str::from_utf8(&body).expect("a text");
        assert!(body.starts_with(&format!("{name} ThreadId(")), "{body}");
        assert!(!body.ends_with(&this_thread()), "{body} is the event loop");
    }
}
