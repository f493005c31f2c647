//! A JSON body that is not parsed yet, for a handler that has to see the bytes themselves.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web::Bytes};

use crate::errors::{self, AppError};

/// The bytes of a body that says it is JSON, up to the limit of the resource's `PayloadConfig`.
#[derive(Debug)]
pub(crate) struct JsonText(pub(crate) Bytes);

impl FromRequest for JsonText {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, AppError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !says_json(request) {
            return Box::pin(async { Err(AppError::NotJson) });
        }
        let reading = Bytes::from_request(request, payload);
        Box::pin(async move {
            let bytes = reading.await.map_err(|error| errors::unreadable(&error))?;
            Ok(Self(bytes))
        })
    }
}

/// The same rule that `web::Json` has: `application/json`, or anything that ends in `+json`.
fn says_json(request: &HttpRequest) -> bool {
    let mime = request.mime_type().ok().flatten();
    mime.is_some_and(|mime| {
        mime.subtype() == "json" || mime.suffix().is_some_and(|suffix| suffix == "json")
    })
}
