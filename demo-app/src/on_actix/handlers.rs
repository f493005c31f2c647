//! The handlers, the way people write them: synchronous work inside an `async fn`. None of them knows of the plugin.
//!
//! Those in `blocking` do the same by `web::block`.

use actix_web::{
    HttpResponse,
    http::header::ContentType,
    web::{Data, Json, Payload, Query},
};
use futures_util::StreamExt;

use super::text::JsonText;
use crate::{
    errors::AppError,
    work::{
        burn::{BurnQuery, Burned, burn_cpu},
        digest::{self, Digester},
        home::Page,
        json::{
            parse::{self, summarise},
            stringify::{Record, StringifyQuery, records},
        },
        password::{
            hash::{HashRequest, Hashed, argon2id},
            verify::{self, Verified, VerifyRequest},
        },
        sort::{
            given::Numbers,
            number::Number,
            seeded::{self, SortQuery, sort_seeded},
        },
        timer::{TimerQuery, busy_wait},
    },
};

/// A handler's answer in JSON, or why there is none.
type Answer<T> = Result<Json<T>, AppError>;

/// `GET /`
pub(super) async fn home(page: Data<Page>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .body(page.text())
}

/// `GET /timer?ms=9000`
pub(super) async fn timer(query: Query<TimerQuery>) -> Result<&'static str, AppError> {
    Ok(busy_wait(query.delay()?))
}

/// `GET /burn?ms=50`
pub(super) async fn burn(query: Query<BurnQuery>) -> Answer<Burned> {
    Ok(Json(burn_cpu(query.cost()?)))
}

/// `GET /json/stringify?items=100000`
pub(super) async fn stringify(query: Query<StringifyQuery>) -> Answer<Vec<Record>> {
    Ok(Json(records(query.items()?)))
}

/// `POST /json/parse`
pub(super) async fn parse(JsonText(text): JsonText) -> Answer<parse::Summary> {
    Ok(Json(summarise(&text)?))
}

/// `GET /sort?n=1000000&seed=1`
pub(super) async fn sort(query: Query<SortQuery>) -> Answer<seeded::Summary> {
    let (n, seed) = query.read()?;
    Ok(Json(sort_seeded(n, seed)))
}

/// `POST /sort`
pub(super) async fn sort_given(Json(numbers): Json<Numbers>) -> Json<Vec<Number>> {
    Json(numbers.sorted())
}

/// `POST /hash`
pub(super) async fn hash(body: Json<HashRequest>) -> Answer<Hashed> {
    Ok(Json(argon2id(body.password()?)?))
}

/// `POST /verify`
pub(super) async fn verify(body: Json<VerifyRequest>) -> Answer<Verified> {
    Ok(Json(verify::verify(&body)?))
}

/// `POST /digest`
pub(super) async fn digest(mut body: Payload) -> Answer<digest::Summary> {
    let mut digester = Digester::default();
    while let Some(piece) = body.next().await {
        digester.take(&piece.map_err(|error| AppError::from_payload(&error))?);
    }
    Ok(Json(digester.end()))
}

/// The same work by `web::block`.
pub(super) mod blocking {
    use actix_web::web::block;

    use super::*;

    /// `GET /block/timer?ms=9000`
    pub(in super::super) async fn timer(
        query: Query<TimerQuery>,
    ) -> Result<&'static str, AppError> {
        let delay = query.delay()?;
        Ok(block(move || busy_wait(delay)).await?)
    }

    /// `GET /block/burn?ms=50`
    pub(in super::super) async fn burn(query: Query<BurnQuery>) -> Answer<Burned> {
        let cost = query.cost()?;
        Ok(Json(block(move || burn_cpu(cost)).await?))
    }

    /// `GET /block/json/stringify?items=100000`
    pub(in super::super) async fn stringify(
        query: Query<StringifyQuery>,
    ) -> Result<HttpResponse, AppError> {
        let items = query.items()?;
        let body = block(move || serde_json::to_string(&records(items))).await??;
        Ok(HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(body))
    }

    /// `GET /block/sort?n=1000000&seed=1`
    pub(in super::super) async fn sort(query: Query<SortQuery>) -> Answer<seeded::Summary> {
        let (n, seed) = query.read()?;
        Ok(Json(block(move || sort_seeded(n, seed)).await?))
    }

    /// `POST /block/hash`
    pub(in super::super) async fn hash(body: Json<HashRequest>) -> Answer<Hashed> {
        let password = body.password()?.to_owned();
        Ok(Json(block(move || argon2id(&password)).await??))
    }
}
