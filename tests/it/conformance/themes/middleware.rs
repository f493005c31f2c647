//! Middleware around scopes and resources, and what it hands to handlers and takes from them.

use std::{
    cell::Cell,
    future::{Future, Ready, ready},
    pin::Pin,
    rc::Rc,
};

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::header,
    middleware::{
        Compress, Condition, DefaultHeaders, Logger, Next, NormalizePath, TrailingSlash, from_fn,
    },
    web::{self, ServiceConfig},
};

use super::super::{
    app::{self, Verdict},
    case::Case,
    compare::compare,
    request::{Request, noise},
};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/middleware")
            .service(
                web::resource("/stamp")
                    .wrap(from_fn(app::stamp))
                    .route(web::get().to(stamped)),
            )
            .service(
                web::scope("/order")
                    .wrap(from_fn(inner))
                    .wrap(from_fn(outer))
                    .wrap(
                        DefaultHeaders::new()
                            .add(("x-trace", "default"))
                            .add_content_type(),
                    )
                    .route("", web::get().to(|| async { "order" })),
            )
            .service(
                web::scope("/gate")
                    .wrap(Gate::default())
                    .route("/{x}", web::post().to(|body: String| async move { body })),
            )
            .service(
                web::scope("/compressed")
                    .wrap(Compress::default())
                    .wrap(Condition::new(
                        false,
                        DefaultHeaders::new().add(("x-never", "1")),
                    ))
                    .wrap(Logger::default().exclude("/middleware/compressed/quiet"))
                    .route("/text/{lines}", web::get().to(text))
                    .route(
                        "/noise/{length}",
                        web::get().to(|length: web::Path<usize>| async move { noise(*length) }),
                    )
                    .route("/encoded", web::get().to(encoded))
                    .route("/stream", web::get().to(stream))
                    .route("/empty", web::get().to(HttpResponse::NoContent)),
            )
            .service(
                web::resource("/body")
                    .wrap(from_fn(reads_body))
                    .route(web::post().to(|body: web::Bytes| async move { body })),
            )
            .service(
                web::resource("/rewrites")
                    .wrap(from_fn(rewrites_response))
                    .route(web::get().to(|| async { "small" })),
            )
            .service(
                web::resource("/wrap-fn")
                    .wrap_fn(|request, service| {
                        let answer = service.call(request);
                        async move {
                            let mut answer = answer.await?;
                            answer.headers_mut().append(
                                header::VIA,
                                header::HeaderValue::from_static("1.1 wrap-fn"),
                            );
                            Ok(answer)
                        }
                    })
                    .route(web::get().to(|| async { "wrapped" })),
            ),
    );
}

async fn stamped(request: HttpRequest) -> HttpResponse {
    let text = {
        let extensions = request.extensions();
        let stamp = extensions.get::<app::Stamp>().expect("stamped");
        format!("{} / {}", stamp.text, stamp.shared)
    };
    let mut response = HttpResponse::Ok().body(text);
    response.extensions_mut().insert(Verdict("good"));
    response
}

async fn outer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    trace(request, next, "outer").await
}

async fn inner(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    trace(request, next, "inner").await
}

async fn trace<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
    name: &'static str,
) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    response.headers_mut().append(
        header::HeaderName::from_static("x-trace"),
        header::HeaderValue::from_static(name),
    );
    Ok(response)
}

async fn reads_body(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let body = request.extract::<web::Bytes>().await?;
    let body = web::Bytes::from([&body[..], b" and more"].concat());
    request.set_payload(actix_web::dev::Payload::from(body));
    next.call(request).await
}

async fn rewrites_response(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(request).await?;
    Ok(response.map_body(|head, _| {
        head.headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("text/rewritten"),
        );
        "a rewritten body that is longer"
    }))
}

/// A middleware of the old kind, with state of its own per instance and a body type of its own.
#[derive(Clone, Default)]
struct Gate {
    passed: Rc<Cell<u32>>,
}

struct GateService<S> {
    service: Rc<S>,
    passed: Rc<Cell<u32>>,
}

impl<S, B> Transform<S, ServiceRequest> for Gate
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B, String>>;
    type Error = Error;
    type Transform = GateService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(GateService {
            service: Rc::new(service),
            passed: Rc::clone(&self.passed),
        }))
    }
}

impl<S, B> Service<ServiceRequest> for GateService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B, String>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = Rc::clone(&self.service);
        let passed = Rc::clone(&self.passed);
        Box::pin(async move {
            match request.path().ends_with("/closed") {
                true => {
                    let text = format!("gate closed to {}", request.path());
                    let response = HttpResponse::Locked().message_body(text)?;
                    Ok(request.into_response(response.map_into_right_body()))
                }
                false => {
                    passed.set(passed.get() + 1);
                    let response = service.call(request).await?;
                    Ok(response.map_into_left_body())
                }
            }
        })
    }
}

async fn text(lines: web::Path<usize>) -> String {
    "the same line again and again\n".repeat(*lines)
}

async fn encoded() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(header::ContentEncoding::Identity)
        .body("x".repeat(4096))
}

async fn stream() -> HttpResponse {
    let pieces =
        (0..20).map(|n| Ok::<_, Error>(web::Bytes::from(format!("piece {n}\n").repeat(100))));
    HttpResponse::Ok()
        .content_type("text/plain")
        .streaming(futures_util::stream::iter(pieces))
}

fn cases() -> Vec<Case> {
    let zipped = |path: &str| Request::get(path).header("Accept-Encoding", "gzip");
    vec![
        Case::get("/middleware/stamp?some=query").says("x-verdict: good"),
        Case::get("/middleware/order").says("x-trace: inner"),
        Case::of(Request::post("/middleware/gate/open").body("through")).says("through"),
        Case::of(Request::post("/middleware/gate/closed").body("not through")).status(423),
        Case::of(zipped("/middleware/compressed/text/1")).named("a little text"),
        Case::of(zipped("/middleware/compressed/text/1000"))
            .named("much text")
            .says("content-encoding: gzip"),
        Case::of(zipped("/middleware/compressed/noise/100000")).named("noise"),
        Case::of(zipped("/middleware/compressed/encoded")).named("encoded already"),
        Case::of(zipped("/middleware/compressed/stream")).named("a compressed stream"),
        Case::of(zipped("/middleware/compressed/empty")).status(204),
        Case::get("/middleware/compressed/text/100").named("not asked to compress"),
        Case::of(
            Request::get("/middleware/compressed/text/100")
                .header("Accept-Encoding", "gzip;q=0, identity;q=0, *;q=0"),
        )
        .named("nothing acceptable"),
        Case::of(
            Request::new("HEAD", "/middleware/compressed/text/1000")
                .header("Accept-Encoding", "gzip"),
        )
        .named("head of compressed"),
        Case::of(Request::post("/middleware/body").body("some")).says("some and more"),
        Case::of(Request::post("/middleware/body").chunks([&b"some"[..]])).says("some and more"),
        Case::get("/middleware/rewrites").says("a rewritten body"),
        Case::get("/middleware/wrap-fn").says("via: 1.1 wrap-fn"),
    ]
}

/// `NormalizePath` must be around the app, and each of its modes leads to other routes.
fn normalized(
    slash: TrailingSlash,
) -> actix_web::App<
    impl actix_web::dev::ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    actix_web::App::new()
        .wrap(NormalizePath::new(slash))
        .route("/probe", web::get().to(HttpResponse::Ok))
        .route("/probe/", web::get().to(HttpResponse::Ok))
        .route(
            "/a/b",
            web::get().to(|request: HttpRequest| async move { request.uri().to_string() }),
        )
        .route(
            "/c/d/",
            web::get().to(|request: HttpRequest| async move { request.uri().to_string() }),
        )
}

#[test]
fn middleware_does_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn middleware_does_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}

#[test]
fn normalized_paths_are_the_same() {
    let paths = [
        "/a/b",
        "/a/b/",
        "//a///b?x=//",
        "/c/d",
        "/c/d/",
        "/c//d//",
        "/",
        "/A/b",
    ];
    let cases: Vec<_> = paths.into_iter().map(Case::get).collect();
    compare(|| normalized(TrailingSlash::Trim), &cases);
    compare(|| normalized(TrailingSlash::Always), &cases);
    compare(|| normalized(TrailingSlash::MergeOnly), &cases);
}
