//! A JSON body that is not parsed yet, for a handler that has to see the bytes themselves.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::CONTENT_TYPE, web::Bytes};

use super::answers;
use crate::{errors::AppError, work::bodies};

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
            let bytes = reading.await.map_err(|error| answers::unreadable(&error))?;
            Ok(Self(bytes))
        })
    }
}

fn says_json(request: &HttpRequest) -> bool {
    let said = request.headers().get(CONTENT_TYPE);
    let said = said.and_then(|value| value.to_str().ok());
    said.is_some_and(bodies::says_json)
}
