//! Instructions per light request of axum: bare, under the layer of `tower-offload`, and under one that does nothing, which says
//! what any layer takes. [`counting`] says how they are counted.

use std::{
    future::{Future, IntoFuture, poll_fn},
    hint::black_box,
    pin::Pin,
    process::ExitCode,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    http::{Request, Response},
    routing::get,
};
use futures_util::{FutureExt, future::select};
use offload_benches::{
    counting::{self, Case, Limit, case},
    on_one_worker,
};
use tokio::net::TcpListener;
use tower_layer::Identity;
use tower_offload::{Offload, Placement};
use tower_service::Service;

const CASES: &[Case] = &[
    case("service, bare axum", 2_000, Limit::None),
    case("service, any layer", 2_000, Limit::None),
    case(
        "service, offload.layer",
        2_000,
        Limit::Over("service, bare axum", 5_700),
    ),
    case("socket, bare axum", 2_000, Limit::None),
    case("socket, any layer", 2_000, Limit::None),
    case(
        "socket, offload.layer",
        2_000,
        Limit::Over("socket, bare axum", 5_700),
    ),
];

/// An app of ten routes, of which the first is asked.
fn router() -> Router {
    let index = async || "hello";
    let mut router = Router::new().route("/", get(index));
    for i in 1..10 {
        router = router.route(&format!("/area{i}/things/{{id}}"), get(index));
    }
    router
}

/// It learns as usual, that `/` is light. Only the budget is another: callgrind makes everything fifty times as slow. And the stall
/// watch's own thread works by time, of which there is so much more for each request here.
fn offload() -> Offload {
    let offload = Offload::builder()
        .budget(Duration::from_secs(1))
        .stall_watch(None);
    offload.build().expect("starts")
}

fn ask(router: &mut Router) -> impl Future<Output = Response<Body>> + use<> {
    let answer = router.call(Request::new(Body::empty()));
    async { answer.await.expect("cannot fail") }
}

/// Calls a router as hyper does, `rounds` times after it has `learned`.
fn call(mut router: Router, rounds: u64, learned: impl Fn() -> bool) {
    on_one_worker(async {
        while !learned() {
            ask(&mut router).await;
        }
        for _ in 0..rounds {
            let answer = ask(&mut router).now_or_never();
            let mut body = answer.expect("answers at once").into_body();
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            black_box(frame.now_or_never().expect("is there"));
        }
    });
}

/// Serves until standard input ends.
fn serve(router: Router) {
    on_one_worker(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("binds");
        println!("{}", listener.local_addr().expect("is bound"));
        let counted = tokio::task::spawn_blocking(counting::until_counted);
        let served = axum::serve(listener, router).into_future();
        select(served, counted).await;
    });
}

fn is_learned(offload: &Offload) -> bool {
    let routes = offload.report().routes;
    routes
        .iter()
        .any(|route| route.placement == Placement::Loop)
}

/// Calls it under the layer.
fn call_layered(rounds: u64) {
    let offload = offload();
    let router = router().layer(offload.layer());
    call(router, rounds, || is_learned(&offload));
}

/// The child: runs one case.
fn run(name: &str, rounds: u64) {
    match name {
        "service, bare axum" => call(router(), rounds, || true),
        "service, any layer" => call(router().layer(Identity::new()), rounds, || true),
        "service, offload.layer" => call_layered(rounds),
        "socket, bare axum" => serve(router()),
        "socket, any layer" => serve(router().layer(Identity::new())),
        "socket, offload.layer" => serve(router().layer(offload().layer())),
        _ => unreachable!("no such case: {name}"),
    }
}

fn main() -> ExitCode {
    counting::main(CASES, run, || call_layered(1))
}
