//! Errors of handlers, of extractors, of middleware and of bodies.

use actix_web::{
    Error, HttpResponse, ResponseError, Result,
    error::{self, ErrorBadGateway, InternalError},
    http::StatusCode,
    middleware::{ErrorHandlerResponse, ErrorHandlers, from_fn},
    web::{self, ServiceConfig},
};

use super::super::{app, case::Case, compare::compare, request::Request};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/failure")
            .route("/custom/{code}", web::get().to(custom))
            .route("/plain", web::get().to(plain))
            .route("/internal", web::get().to(internal))
            .route("/from-response", web::get().to(from_response))
            .route("/io", web::get().to(io))
            .route("/late", web::get().to(late))
            .route("/guard-payload", web::post().to(error_with_body_left))
            .service(
                web::resource("/middleware")
                    .wrap(from_fn(|_request, _next: actix_web::middleware::Next<actix_web::body::BoxBody>| async {
                        Err::<actix_web::dev::ServiceResponse, _>(error::ErrorForbidden("middleware says no"))
                    }))
                    .to(|| async { "never" }),
            )
            .service(
                web::scope("/handled")
                    .wrap(
                        ErrorHandlers::new()
                            .handler(StatusCode::INTERNAL_SERVER_ERROR, |mut response| {
                                response.response_mut().headers_mut().insert(
                                    actix_web::http::header::RETRY_AFTER,
                                    actix_web::http::header::HeaderValue::from_static("7"),
                                );
                                Ok(ErrorHandlerResponse::Response(response.map_into_left_body()))
                            })
                            .handler(StatusCode::NOT_FOUND, |response| {
                                let (request, _) = response.into_parts();
                                let page = HttpResponse::NotFound().body("own page");
                                let response = actix_web::dev::ServiceResponse::new(request, page);
                                Ok(ErrorHandlerResponse::Response(response.map_into_right_body()))
                            }),
                    )
                    .route("/custom/{code}", web::get().to(custom)),
            ),
    );
}

/// An error that makes its own response, with a cause below it.
#[derive(Debug, thiserror::Error)]
#[error("custom failure {status}")]
struct Custom {
    status: StatusCode,
    #[source]
    cause: std::fmt::Error,
}

impl ResponseError for Custom {
    fn status_code(&self) -> StatusCode {
        self.status
    }
}

async fn custom(code: web::Path<u16>) -> Result<&'static str, Custom> {
    let status = StatusCode::from_u16(*code).expect("a status");
    let cause = std::fmt::Error;
    Err(Custom { status, cause })
}

async fn plain() -> Result<&'static str> {
    Err(ErrorBadGateway("plain <text> & more"))
}

async fn internal() -> Result<&'static str> {
    Err(InternalError::new("teapot", StatusCode::IM_A_TEAPOT).into())
}

async fn from_response() -> Result<&'static str> {
    let response = HttpResponse::PaymentRequired()
        .insert_header(("x-price", "7"))
        .json([1, 2]);
    Err(InternalError::from_response("unpaid", response).into())
}

async fn io() -> Result<&'static str, Error> {
    Err(std::io::Error::from(std::io::ErrorKind::NotFound).into())
}

async fn late() -> Result<&'static str> {
    tokio::task::yield_now().await;
    Err(error::ErrorRequestTimeout("late"))
}

async fn error_with_body_left(_body: web::Payload) -> Result<&'static str> {
    tokio::task::yield_now().await;
    Err(error::ErrorBadRequest("not read"))
}

fn cases() -> Vec<Case> {
    vec![
        Case::get("/failure/custom/400").status(400),
        Case::get("/failure/custom/503").status(503),
        Case::get("/failure/custom/204"),
        Case::of(Request::new("HEAD", "/failure/custom/500")),
        Case::get("/failure/plain").status(502),
        Case::get("/failure/internal").status(418),
        Case::get("/failure/from-response").says("x-price: 7"),
        Case::get("/failure/io").status(404),
        Case::get("/failure/late").status(408),
        Case::of(Request::post("/failure/guard-payload").body("small")).status(400),
        Case::get("/failure/middleware").says("middleware says no"),
        Case::get("/failure/handled/custom/500").says("retry-after: 7"),
        Case::get("/failure/handled/custom/404").says("own page"),
        Case::get("/failure/handled/custom/409").status(409),
    ]
}

#[test]
fn failures_read_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn failures_read_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}
