//! Errors as axum's responses.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::ALLOW},
    response::{IntoResponse, Response},
};
use tokio::task::JoinError;

use crate::errors::AppError;

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = (status, Json(self.body())).into_response();
        if let Some(allowed) = self.allowed() {
            let allowed = HeaderValue::from_static(allowed);
            answer.headers_mut().insert(ALLOW, allowed);
        }
        answer
    }
}

impl From<JoinError> for AppError {
    fn from(error: JoinError) -> Self {
        Self::Blocking(error.into())
    }
}
