//! App data, and what keeps it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use actix_web::{App, HttpResponse, rt, web};
use futures_util::stream;
use tokio::sync::oneshot;

use super::server::{Stop, at_the_end, call, get, lanes_only, send, service, until_the_end};
use crate::{
    gate::{Gate, wait_until},
    logs,
};

/// So many requests at once, each on a lane thread of its own.
const AT_ONCE: usize = 3;

/// Counts itself, as the data of actix's own `test_data_drop` does.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

pub(super) fn left(count: &Arc<AtomicUsize>) -> usize {
    count.load(SeqCst)
}

/// Requests that wait for each other, so that each is on a thread of its own.
fn meeting(data: &Counted, meet: &Arc<Barrier>) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let (data, meet) = (data.clone(), Arc::clone(meet));
    let handler = move |_: web::Data<Counted>| {
        meet.wait();
        async { "met" }
    };
    move |config| {
        config.app_data(web::Data::new(data));
        config.route("/", web::get().to(handler));
    }
}

#[test]
fn app_data_is_gone_when_the_servers_future_ends() {
    let offload = lanes_only(AT_ONCE).build().expect("starts");
    let visit = |addrs: [SocketAddr; 2]| {
        for addr in addrs {
            let requests = [(); AT_ONCE].map(|()| send(addr, "/"));
            for mut request in requests {
                assert_eq!(request.read_response().expect("answers").body, b"met");
            }
        }
    };
    for round in 0..8 {
        let count = Arc::default();
        let (data, meet) = (Counted::new(&count), Arc::new(Barrier::new(AT_ONCE)));
        let app = offload.app(move || App::new().configure(meeting(&data, &meet)));
        let how = (2, Stop::Graceful);
        // actix ends its workers in another way if there is no actix system.
        let seen = if round % 2 == 0 {
            at_the_end(app, how, visit, || left(&count))
        } else {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("starts");
            runtime.block_on(until_the_end(app, how, visit, || left(&count)))
        };
        assert_eq!(seen, 0, "round {round}");
    }
}

#[test]
fn who_waits_for_the_last_sender_in_app_data_waits_no_longer_than_the_server_lives() {
    let offload = lanes_only(2).build().expect("starts");
    let (sender, receiver) = mpsc::channel::<u64>();
    let writer = thread::spawn(move || -> u64 { receiver.iter().sum() });
    let app = offload.app(move || {
        let add = |sender: web::Data<mpsc::Sender<u64>>| async move {
            sender.send(1).expect("somebody adds up");
            "added"
        };
        App::new()
            .app_data(web::Data::new(sender.clone()))
            .route("/", web::get().to(add))
    });
    let visit =
        |[addr, _]: [SocketAddr; 2]| (0..4).for_each(|_| assert_eq!(get(addr, "/").status(), 200));
    at_the_end(app, (2, Stop::Graceful), visit, || ());
    wait_until("the writer ends", || writer.is_finished());
    assert_eq!(writer.join().expect("no panic"), 4);
}

#[test]
fn requests_that_wait_on_a_lane_hold_no_forced_stop_up() {
    let offload = lanes_only(2).build().expect("starts");
    let count = Arc::default();
    let (data, begun) = (Counted::new(&count), Arc::<AtomicUsize>::default());
    let begins = Arc::clone(&begun);
    let app = offload.app(move || {
        let (waits, streams) = (Arc::clone(&begins), Arc::clone(&begins));
        let waiting = move |_: web::Data<Counted>| {
            waits.fetch_add(1, SeqCst);
            std::future::pending::<HttpResponse>()
        };
        let streaming = move |data: web::Data<Counted>| {
            streams.fetch_add(1, SeqCst);
            let parts = stream::unfold(data, |data| async {
                rt::time::sleep(Duration::from_millis(1)).await;
                Some((
                    Ok::<_, actix_web::Error>(web::Bytes::from_static(b"part")),
                    data,
                ))
            });
            async { HttpResponse::Ok().streaming(parts) }
        };
        App::new()
            .app_data(web::Data::new(data.clone()))
            .route("/wait", web::get().to(waiting))
            .route("/stream", web::get().to(streaming))
    });
    let visit = move |[addr, _]: [SocketAddr; 2]| {
        let requests = ["/wait", "/stream", "/wait", "/stream"].map(|path| send(addr, path));
        wait_until("all are under way", || begun.load(SeqCst) == 4);
        requests
    };
    let seen = at_the_end(app, (2, Stop::Forced), visit, || left(&count));
    assert_eq!(seen, 0);
}

#[test]
fn what_handlers_have_spawned_ends_with_the_server() {
    let offload = lanes_only(2).build().expect("starts");
    let count = Arc::default();
    let data = Counted::new(&count);
    let app = offload.app(move || {
        let spawning = |data: web::Data<Counted>| async {
            let (tell, told) = oneshot::channel();
            rt::spawn(async move {
                let _data = data;
                // One that has been spawned by another is one of the app's as well.
                let inner = rt::spawn(async { "spawned" });
                tell.send(inner.await.expect("no panic"))
                    .expect("somebody waits");
                std::future::pending::<()>().await
            });
            told.await.expect("it runs")
        };
        App::new()
            .app_data(web::Data::new(data.clone()))
            .route("/", web::get().to(spawning))
    });
    let visit = |[addr, _]: [SocketAddr; 2]| {
        (0..4).for_each(|_| assert_eq!(get(addr, "/").body, b"spawned"));
    };
    let seen = at_the_end(app, (2, Stop::Graceful), visit, || left(&count));
    assert_eq!(seen, 0);
}

#[test]
fn an_app_under_test_takes_its_instances_along() {
    rt::System::new().block_on(async {
        let offload = lanes_only(2).build().expect("starts");
        let count = Arc::default();
        let data = Counted::new(&count);
        let factory = offload.app(move || {
            let ok = |_: web::Data<Counted>| async { "ok" };
            App::new()
                .app_data(web::Data::new(data.clone()))
                .route("/", web::get().to(ok))
        });
        for _ in 0..8 {
            let before = left(&count);
            let app = service(factory()).await;
            assert_eq!(call(&app).await, 200);
            assert!(left(&count) > before, "it has some");
            drop(app);
            assert_eq!(left(&count), before);
        }
        drop(factory);
        assert_eq!(left(&count), 0);
    });
}

#[test]
fn an_app_that_ends_on_a_lane_thread_waits_for_nothing_there() {
    rt::System::new().block_on(async {
        let offload = lanes_only(1).build().expect("starts");
        let count = Arc::default();
        let (data, inner) = (Counted::new(&count), offload.clone());
        let outer = offload.app(move || {
            let (data, inner) = (data.clone(), inner.clone());
            let nested = move || {
                let data = data.clone();
                let factory = inner.app(move || {
                    let ok = |_: web::Data<Counted>| async { "ok" };
                    App::new()
                        .app_data(web::Data::new(data.clone()))
                        .route("/", web::get().to(ok))
                });
                async move {
                    // On the only lane thread, where the inner app's request runs as well.
                    let app = service(factory()).await;
                    assert_eq!(call(&app).await, 200);
                    "nested"
                }
            };
            App::new().route("/", web::get().to(nested))
        });
        let app = service(outer()).await;
        let before = left(&count);
        for _ in 0..3 {
            assert_eq!(call(&app).await, 200);
        }
        // The outer app has its own instance on the lane thread by now.
        wait_until("the inner ones go", || left(&count) == before + 1);
        drop((app, outer));
        assert_eq!(left(&count), 0);
    });
}

#[test]
fn a_lane_thread_that_computes_on_holds_a_servers_end_up_for_a_limited_time() {
    logs::record();
    let offload = lanes_only(1).build().expect("starts");
    let (count, gate) = (Arc::default(), Gate::default());
    let (data, begun) = (Counted::new(&count), Arc::<AtomicUsize>::default());
    let (holds, begins) = (gate.clone(), Arc::clone(&begun));
    let app = offload.app(move || {
        let (gate, begun) = (holds.clone(), Arc::clone(&begins));
        let compute = move |_: web::Data<Counted>| {
            begun.fetch_add(1, SeqCst);
            gate.wait();
            async { "nobody hears it" }
        };
        App::new()
            .app_data(web::Data::new(data.clone()))
            .route("/", web::get().to(compute))
    });
    let visit = move |[addr, _]: [SocketAddr; 2]| {
        let request = send(addr, "/");
        wait_until("it computes", || begun.load(SeqCst) == 1);
        request
    };
    let said = || logs::lines_with(&["WARN", "app data", "lane thread"]);
    let before = said();
    let seen = at_the_end(app, (2, Stop::Forced), visit, || left(&count));
    assert!(seen > 0, "it computes on");
    wait_until("it is said", || said() == before + 1);
    gate.open();
    wait_until("it goes with the computation", || left(&count) == 0);
}
