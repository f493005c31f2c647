//! The app of the simulation: whatever its script says happens in a middleware, a handler, a body.

use std::{rc::Rc, sync::Arc};

use actix_http::{HttpMessage, Request};
use actix_web::{
    App, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{AppConfig, ServiceFactory, ServiceRequest, ServiceResponse},
    error,
    middleware::{Next, NormalizePath, from_fn},
    web::{self, Bytes},
};
use futures_util::{StreamExt, stream};
use offload_core::clock::simulated;

use super::{
    script::{End, modern},
    world::{Holds, World},
};

/// Which script a request follows.
pub(super) const SCRIPT: &str = "x-script";

type Shared = web::Data<Arc<World>>;

/// What a middleware hands on to the handler.
#[derive(Clone)]
struct Known {
    id: usize,
    holds: Rc<Holds>,
}

/// Made once for the event loop and once for each lane thread, whose clocks are simulated from then on.
pub(super) fn app(
    world: Arc<World>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = error::Error,
        InitError = (),
    > + use<>,
> {
    simulated::begin();
    App::new()
        .app_data(web::Data::new(world))
        .wrap(from_fn(outside))
        .wrap(NormalizePath::trim())
        .route("/a", web::route().to(inside))
        .route("/b", web::route().to(inside))
        .route("/lane", web::route().to(inside))
        .route("/loop", web::route().to(inside))
        .route("/pages/{page}", web::route().to(inside))
        .default_service(web::route().to(inside))
}

async fn outside(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, error::Error> {
    let world = Arc::clone(request.app_data::<Shared>().expect("an app's data"));
    let header = request.headers().get(SCRIPT).expect("a script");
    let id = header.to_str().ok().and_then(|id| id.parse().ok());
    let id = id.expect("a number");
    let holds = Rc::new(world.begin(id));
    request.extensions_mut().insert(Known { id, holds });
    let script = world.lock().requests[id].script.clone();
    world.run(id, &script.outside, None).await;
    if let Some(path) = modern(request.path()) {
        let uri = actix_http::Uri::from_static(path);
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

async fn inside(
    request: HttpRequest,
    mut body: web::Payload,
    world: Shared,
) -> actix_web::Result<HttpResponse> {
    let world = Arc::clone(&world);
    let known = request.extensions().get::<Known>().cloned();
    let Known { id, holds } = known.expect("it came through the middleware");
    drop(request);
    let script = world.lock().requests[id].script.clone();
    world.run(id, &script.inside, Some(&mut body)).await;
    let fails = matches!(script.end, End::Error | End::Panic);
    world.end(id, fails, matches!(script.end, End::Panic));
    match script.end {
        End::Error => Err(error::ErrorImATeapot("a script says so")),
        End::Stream(pieces) => {
            let pieces = stream::iter(pieces).then(move |steps| {
                let (world, holds) = (Arc::clone(&world), Rc::clone(&holds));
                async move {
                    let _holds = holds;
                    world.piece_begins(id);
                    world.run(id, &steps, None).await;
                    world.poll_ends(id).await;
                    Ok::<_, error::Error>(Bytes::from_static(b"piece"))
                }
            });
            Ok(HttpResponse::Ok().streaming(pieces))
        }
        _ => Ok(HttpResponse::Ok().finish()),
    }
}

/// For the calling thread's event loop.
pub(super) fn config() -> AppConfig {
    AppConfig::default()
}

/// A request's type, once.
pub(super) type Asked = Request;
