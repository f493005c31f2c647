//! What the server of the scenario `hostile` has besides: a route for each attack, and what it has seen of them.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use actix_offload::Offload;
use actix_web::{
    Error, HttpResponse, rt,
    web::{self, Data, Payload, Query, ServiceConfig},
};
use serde::{Deserialize, Serialize};

use super::work;
use crate::{
    alternative::Alternative,
    attack::{Attack, COMPUTES},
};

/// Where to ask for what was seen.
pub(crate) const SEEN: &str = "/attack/seen";
/// A body of the route of held bodies that computes; any other does not.
pub(crate) const HEAVY_BODY: &[u8; 12] = b"heavy please";

/// For how long a stream waits before it computes.
const STREAM_WAITS: Duration = Duration::from_millis(50);
/// For how long a request waits whose client is meant to leave.
const LEAVER_WAITS: Duration = Duration::from_secs(2);

/// Runs of one attack's heavy part.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Runs {
    pub(crate) all: u64,
    pub(crate) on_loops: u64,
}

/// What an event loop says of itself, in milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct LoopSeen {
    pub(crate) longest_poll: f64,
    pub(crate) longest_poll_route: String,
    pub(crate) longest_lag: f64,
}

/// What a server has seen so far.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Seen {
    /// In the order of the attacks.
    pub(crate) runs: [Runs; Attack::COUNT],
    /// Empty without the plugin, which measures them.
    pub(crate) loops: Vec<LoopSeen>,
}

/// What the handlers share.
pub(super) struct World {
    alternative: Alternative,
    offload: Option<Offload>,
    all: [AtomicU64; Attack::COUNT],
    on_loops: [AtomicU64; Attack::COUNT],
}

impl World {
    pub(super) fn new(alternative: Alternative, offload: Option<Offload>) -> Self {
        Self {
            alternative,
            offload,
            all: Default::default(),
            on_loops: Default::default(),
        }
    }

    fn count(&self, attack: Attack) {
        self.all[attack as usize].fetch_add(1, Relaxed);
        let thread = thread::current();
        // The threads of lanes and of blocking pools have other names.
        if thread.name().is_some_and(|name| name.starts_with("actix-")) {
            self.on_loops[attack as usize].fetch_add(1, Relaxed);
        }
    }

    fn seen(&self) -> Seen {
        let runs = |(all, on_loops): (&AtomicU64, &AtomicU64)| Runs {
            all: all.load(Relaxed),
            on_loops: on_loops.load(Relaxed),
        };
        let mut pairs = self.all.iter().zip(&self.on_loops).map(runs);
        let loops = self.offload.iter().flat_map(|it| it.report().event_loops);
        Seen {
            runs: std::array::from_fn(|_| pairs.next().unwrap_or_default()),
            loops: loops
                .map(|event_loop| LoopSeen {
                    longest_poll: event_loop.longest_poll_seconds * 1e3,
                    longest_poll_route: event_loop.longest_poll_route,
                    longest_lag: event_loop.longest_lag_seconds * 1e3,
                })
                .collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Asked {
    ms: u64,
}

impl Asked {
    fn cost(&self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

/// The heavy part of a handler, in the way of the alternative, if it has one.
async fn heavy(
    world: Data<World>,
    attack: Attack,
    cost: Duration,
    work: fn(Duration),
) -> Result<HttpResponse, Error> {
    if !cost.is_zero() {
        let alternative = world.alternative;
        let counted = move || {
            world.count(attack);
            work(cost);
        };
        alternative.run(counted).await?;
    }
    Ok(HttpResponse::Ok().body("done"))
}

async fn held(world: Data<World>, body: Payload) -> Result<HttpResponse, Error> {
    let body = body.to_bytes().await?;
    let cost = if body[..] == HEAVY_BODY[..] {
        COMPUTES
    } else {
        Duration::ZERO
    };
    heavy(world, Attack::HeldBodies, cost, work::burn).await
}

async fn streams(world: Data<World>, asked: Query<Asked>) -> Result<HttpResponse, Error> {
    rt::time::sleep(STREAM_WAITS).await;
    heavy(world, Attack::Streams, asked.cost(), work::burn).await
}

async fn leavers(world: Data<World>, asked: Query<Asked>) -> Result<HttpResponse, Error> {
    let done = heavy(world, Attack::Leavers, asked.cost(), work::burn).await;
    if asked.ms > 0 {
        rt::time::sleep(LEAVER_WAITS).await;
    }
    done
}

async fn sleepers(world: Data<World>, asked: Query<Asked>) -> Result<HttpResponse, Error> {
    heavy(world, Attack::Sleepers, asked.cost(), thread::sleep).await
}

/// Adds these routes to the app, and a light page for every other path.
pub(super) fn routes(world: Data<World>, config: &mut ServiceConfig) {
    let burning = |attack: Attack| {
        move |world: Data<World>, asked: Query<Asked>| {
            heavy(world, attack, asked.cost(), work::burn)
        }
    };
    config
        .app_data(world)
        .route(Attack::HeldBodies.path(), web::post().to(held))
        .route(Attack::Streams.path(), web::get().to(streams))
        .route(
            Attack::Upgrades.path(),
            web::get().to(burning(Attack::Upgrades)),
        )
        .route(Attack::Sleepers.path(), web::get().to(sleepers))
        .route(Attack::Leavers.path(), web::get().to(leavers))
        .route(
            Attack::Rewritten.path(),
            web::get().to(burning(Attack::Rewritten)),
        )
        .route(
            &format!("{}/{{number}}", Attack::Cold.path()),
            web::to(burning(Attack::Cold)),
        )
        .route(
            SEEN,
            web::get()
                .to(|world: Data<World>| async move { HttpResponse::Ok().json(world.seen()) }),
        )
        .route("/{page:.*}", web::get().to(|| async { "a page" }));
}
