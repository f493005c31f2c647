//! The handlers, the way people write them: synchronous work inside an `async fn`. None of them knows of the layer.
//!
//! Those in `blocking` do the same by `spawn_blocking`.

use std::cell::OnceCell;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;

use super::extract::{Asked, Given, JsonText, unreadable};
use crate::{
    errors::AppError,
    work::{
        bodies::{LARGE, SMALL},
        burn::{BurnQuery, Burned, burn_cpu},
        digest::{self, Digester},
        home::{EventLoops, Page},
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
pub(super) async fn home(State(event_loops): State<EventLoops>) -> Response {
    thread_local! {
        static PAGE: OnceCell<Page> = const { OnceCell::new() };
    }
    let write = || Page::of_this_thread(&event_loops);
    let text = PAGE.with(|page| page.get_or_init(write).text());
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// `GET /timer?ms=9000`
pub(super) async fn timer(Asked(query): Asked<TimerQuery>) -> Result<&'static str, AppError> {
    Ok(busy_wait(query.delay()?))
}

/// `GET /burn?ms=50`
pub(super) async fn burn(Asked(query): Asked<BurnQuery>) -> Answer<Burned> {
    Ok(Json(burn_cpu(query.cost()?)))
}

/// `GET /json/stringify?items=100000`
pub(super) async fn stringify(Asked(query): Asked<StringifyQuery>) -> Answer<Vec<Record>> {
    Ok(Json(records(query.items()?)))
}

/// `POST /json/parse`
pub(super) async fn parse(JsonText(text): JsonText<LARGE>) -> Answer<parse::Summary> {
    Ok(Json(summarise(&text)?))
}

/// `GET /sort?n=1000000&seed=1`
pub(super) async fn sort(Asked(query): Asked<SortQuery>) -> Answer<seeded::Summary> {
    let (n, seed) = query.read()?;
    Ok(Json(sort_seeded(n, seed)))
}

/// `POST /sort`
pub(super) async fn sort_given(Given(numbers): Given<Numbers, LARGE>) -> Json<Vec<Number>> {
    Json(numbers.sorted())
}

/// `POST /hash`
pub(super) async fn hash(Given(body): Given<HashRequest, SMALL>) -> Answer<Hashed> {
    Ok(Json(argon2id(body.password()?)?))
}

/// `POST /verify`
pub(super) async fn verify(Given(body): Given<VerifyRequest, SMALL>) -> Answer<Verified> {
    Ok(Json(verify::verify(&body)?))
}

/// `POST /digest`
pub(super) async fn digest(body: Body) -> Answer<digest::Summary> {
    let mut digester = Digester::default();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        digester.take(&piece.map_err(|error| unreadable(&error))?);
    }
    Ok(Json(digester.end()))
}

/// The same work by `spawn_blocking`.
pub(super) mod blocking {
    use tokio::task::spawn_blocking;

    use super::*;

    /// `GET /block/timer?ms=9000`
    pub(in super::super) async fn timer(
        Asked(query): Asked<TimerQuery>,
    ) -> Result<&'static str, AppError> {
        let delay = query.delay()?;
        Ok(spawn_blocking(move || busy_wait(delay)).await?)
    }

    /// `GET /block/burn?ms=50`
    pub(in super::super) async fn burn(Asked(query): Asked<BurnQuery>) -> Answer<Burned> {
        let cost = query.cost()?;
        Ok(Json(spawn_blocking(move || burn_cpu(cost)).await?))
    }

    /// `GET /block/json/stringify?items=100000`
    pub(in super::super) async fn stringify(
        Asked(query): Asked<StringifyQuery>,
    ) -> Result<Response, AppError> {
        let items = query.items()?;
        let body = spawn_blocking(move || serde_json::to_string(&records(items))).await??;
        Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
    }

    /// `GET /block/sort?n=1000000&seed=1`
    pub(in super::super) async fn sort(Asked(query): Asked<SortQuery>) -> Answer<seeded::Summary> {
        let (n, seed) = query.read()?;
        Ok(Json(spawn_blocking(move || sort_seeded(n, seed)).await?))
    }

    /// `POST /block/hash`
    pub(in super::super) async fn hash(Given(body): Given<HashRequest, SMALL>) -> Answer<Hashed> {
        let password = body.password()?.to_owned();
        Ok(Json(spawn_blocking(move || argon2id(&password)).await??))
    }
}
