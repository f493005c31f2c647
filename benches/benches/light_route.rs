//! What the plugin costs a light route: one request through the service of an app, bare, under
//! `offload.app`, and with `.wrap`, without any socket.

use std::{hint::black_box, time::Instant};

use actix_http::Request;
use actix_offload::{Offload, Placement};
use actix_service::IntoServiceFactory;
use actix_web::{
    App, HttpResponse,
    dev::{AppConfig, Service, ServiceFactory},
    test::TestRequest,
    web,
};
use criterion::{Criterion, criterion_group, criterion_main};
use offload_benches::{on_event_loop, service};

async fn index() -> HttpResponse {
    HttpResponse::Ok().body("hello")
}

async fn user(id: web::Path<u64>) -> HttpResponse {
    black_box(id.into_inner());
    HttpResponse::Ok().body("user")
}

/// An app of `n` routes beside the two that are asked.
fn configure(n: usize) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config
            .route("/", web::get().to(index))
            .route("/users/{id}", web::get().to(user));
        for i in 2..n {
            config.route(&format!("/area{i}/things/{{id}}"), web::get().to(index));
        }
    }
}

fn measure<S, F>(c: &mut Criterion, name: &str, factory: F)
where
    F: ServiceFactory<Request, Config = AppConfig, Service = S>,
    F::InitError: std::fmt::Debug,
    S: Service<Request>,
    S::Error: std::fmt::Debug,
{
    on_event_loop(async {
        let service = service(factory).await;
        for path in ["/", "/users/42"] {
            // Every variant is warm: routes are learned, pools and caches are full.
            for _ in 0..200 {
                let request = TestRequest::with_uri(path).to_request();
                drop(service.call(request).await.expect("answers"));
            }
            c.bench_function(&format!("light route/{name}{path}"), |b| {
                b.iter_custom(|rounds| {
                    let mut requests: Vec<Request> = (0..rounds)
                        .map(|_| TestRequest::with_uri(path).to_request())
                        .collect();
                    // The system's runtime is entered already: a local block is enough.
                    let start = Instant::now();
                    for request in requests.drain(..) {
                        let answer = service.call(request);
                        drop(black_box(futures_util::FutureExt::now_or_never(answer)));
                    }
                    start.elapsed()
                });
            });
        }
    });
}

fn light(c: &mut Criterion) {
    for n in [10, 1000] {
        let routes = configure(n);
        let bare = App::new().configure(routes.clone()).into_factory();
        measure(c, &format!("bare, {n} routes"), bare);

        let offload = Offload::builder()
            .pin("GET", "/", Placement::Loop)
            .pin("GET", "/users/{id}", Placement::Loop)
            .build()
            .expect("starts");
        let app = {
            let routes = routes.clone();
            offload.app(move || App::new().configure(routes.clone()))
        };
        measure(c, &format!("offload.app, {n} routes"), app());

        let wrapped = App::new()
            .wrap(offload.clone())
            .configure(routes)
            .into_factory();
        measure(c, &format!("wrap, {n} routes"), wrapped);
    }
}

criterion_group!(benches, light);
criterion_main!(benches);
