//! What a simulated client does, and what its request makes the app do.

use std::time::Duration;

use actix_http::Method;
use offload_core::{
    clock::simulated::Spent,
    cost::{BodySize, SizeBucket},
};
use proptest::{collection::vec, prelude::*, sample::select};

/// The budget of all simulations, which is the default.
pub(super) const BUDGET: Duration = Duration::from_micros(100);

/// A poll that takes so long is heavy without any doubt: eight budgets, and an eighth that a clock may leave open.
pub(super) const SLOW: Duration = Duration::from_micros(920);

/// The most that a run may cost to count as a clean one.
pub(super) const CLEAN: Duration = Duration::from_micros(80);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    A,
    B,
    /// `HEAD` of the first one's path: a route of its own.
    HeadOfA,
    /// A method that is none of the standard's.
    PurgeA,
    /// No route has this path; the app's default service takes it.
    Unmatched,
    /// The first one's path, percent-encoded.
    EncodedA,
    /// The first one's path with a slash too many, which the app's `NormalizePath` takes away.
    RespelledA,
    Page,
    /// Looks like a page, and a middleware of the app makes it the first one's path.
    SurpriseA,
    PinnedToLane,
    PinnedToLoop,
    /// Looks like a page, and a middleware of the app makes it the path that is pinned to the lane.
    SurpriseLane,
}

/// All that are nothing special to the model of what must hold.
pub(super) const ORDINARY: [Target; 7] = [
    Target::A,
    Target::B,
    Target::HeadOfA,
    Target::PurgeA,
    Target::Unmatched,
    Target::EncodedA,
    Target::Page,
];

const ALL: [Target; 12] = [
    Target::A,
    Target::B,
    Target::HeadOfA,
    Target::PurgeA,
    Target::Unmatched,
    Target::EncodedA,
    Target::RespelledA,
    Target::Page,
    Target::SurpriseA,
    Target::PinnedToLane,
    Target::PinnedToLoop,
    Target::SurpriseLane,
];

/// What is left of a page's path when the middleware has changed it.
pub(super) fn modern(path: &str) -> Option<&'static str> {
    match path {
        "/pages/old-a" => Some("/a"),
        "/pages/old-lane" => Some("/lane"),
        _ => None,
    }
}

impl Target {
    pub(super) fn request(self) -> (Method, &'static str) {
        let purge = || Method::from_bytes(b"PURGE").expect("a method");
        match self {
            Self::A => (Method::GET, "/a?x=1"),
            Self::B => (Method::GET, "/b"),
            Self::HeadOfA => (Method::HEAD, "/a"),
            Self::PurgeA => (purge(), "/a"),
            Self::Unmatched => (Method::GET, "/nowhere"),
            Self::EncodedA => (Method::GET, "/%61"),
            Self::RespelledA => (Method::GET, "//a/"),
            Self::Page => (Method::GET, "/pages/1"),
            Self::SurpriseA => (Method::GET, "/pages/old-a"),
            Self::PinnedToLane => (Method::GET, "/lane"),
            Self::PinnedToLoop => (Method::GET, "/loop"),
            Self::SurpriseLane => (Method::GET, "/pages/old-lane"),
        }
    }

    /// Under whose name it is known whether it is heavy, as far as that can be known beforehand.
    pub(super) fn known_as(self) -> Self {
        match self {
            Self::EncodedA | Self::RespelledA => Self::A,
            other => other,
        }
    }

    pub(super) fn is_surprise(self) -> bool {
        matches!(self, Self::SurpriseA | Self::SurpriseLane)
    }
}

/// How the length of the request's body is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Size {
    None,
    Small,
    Larger,
    Chunked,
}

impl Size {
    pub(super) fn declared(self) -> BodySize {
        match self {
            Self::None => BodySize::Known(0),
            Self::Small => BodySize::Known(100),
            Self::Larger => BodySize::Known(2_000),
            Self::Chunked => BodySize::Unknown,
        }
    }

    pub(super) fn bucket(self) -> SizeBucket {
        SizeBucket::of(self.declared())
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Waits for all of the request's body.
    Body,
    /// Waits until the test lets it go on.
    Await,
    Take(Duration, Spent),
}

/// How a handler ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    Answer,
    Error,
    Panic,
    /// With a body of so many pieces, each of which takes these steps.
    Stream(Vec<Vec<Step>>),
}

/// A request and all that becomes of it.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) target: Target,
    pub(super) size: Size,
    /// What a middleware does before the app has routed it.
    pub(super) outside: Vec<Step>,
    pub(super) inside: Vec<Step>,
    pub(super) end: End,
}

impl Script {
    /// A request that is light whatever the others are.
    pub(super) fn light(target: Target, size: Size) -> Self {
        Self {
            target,
            size,
            outside: Vec::new(),
            inside: vec![Step::Take(Duration::from_micros(20), Spent::Computing)],
            end: End::Answer,
        }
    }
}

/// What happens next to the event loop.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// So many such requests come at once.
    Arrive(Script, usize),
    /// So many light ones come one after the other, each when the one before is answered.
    Lights(Target, Size, usize),
    /// One that waits, chosen by this number, goes on; or the rest of its body comes.
    Release(usize),
    ReleaseAll,
    /// The client of one, chosen by this number, leaves.
    Leave(usize),
    /// The loop runs what is woken, but no more than so many tasks, and looks at its sockets.
    Turn(usize),
    /// The loop goes on until nothing is woken any more.
    Settle,
    /// The loop waits for so long, and then something comes.
    Idle(Duration),
}

/// What may come in a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All that takes long computes, and the loop is never idle: nothing is in doubt that was measured.
    Exact,
    /// Handlers block, the kernel sets the thread aside, the loop is idle: what took long may be in doubt.
    Doubtful,
    /// Nothing is heavy.
    Light,
}

fn spent(kind: Kind) -> BoxedStrategy<Spent> {
    match kind {
        Kind::Exact | Kind::Light => Just(Spent::Computing).boxed(),
        Kind::Doubtful => prop_oneof![
            3 => Just(Spent::Computing),
            2 => Just(Spent::Waiting),
        ]
        .boxed(),
    }
}

fn step(kind: Kind) -> BoxedStrategy<Step> {
    let light = (1..10_u64, spent(kind))
        .prop_map(|(micros, spent)| Step::Take(Duration::from_micros(micros), spent));
    let quiet = prop_oneof![3 => Just(Step::Await), 1 => Just(Step::Body), 2 => light];
    if kind == Kind::Light {
        let aside = (1..50_u64)
            .prop_map(|millis| Step::Take(Duration::from_millis(millis), Spent::SetAside));
        return prop_oneof![8 => quiet, 1 => aside].boxed();
    }
    let over = (150..400_u64, spent(kind))
        .prop_map(|(micros, spent)| Step::Take(Duration::from_micros(micros), spent));
    let slow = (1..50_u64, spent(kind))
        .prop_map(|(millis, spent)| Step::Take(Duration::from_millis(millis), spent));
    let aside = (1..50_u64).prop_map(move |millis| match kind {
        Kind::Doubtful => Step::Take(Duration::from_millis(millis), Spent::SetAside),
        _ => Step::Await,
    });
    prop_oneof![6 => quiet, 1 => over, 4 => slow, 1 => aside].boxed()
}

fn end(kind: Kind) -> impl Strategy<Value = End> {
    let piece = vec(step(kind), 0..3);
    prop_oneof![
        5 => Just(End::Answer),
        1 => Just(End::Error),
        1 => Just(End::Panic),
        2 => vec(piece, 1..4).prop_map(End::Stream),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    // Few targets meet more often than many.
    prop_oneof![6 => Just(Target::A), 3 => Just(Target::B), 6 => select(&ALL[..])]
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![
        6 => Just(Size::None),
        1 => Just(Size::Small),
        1 => Just(Size::Larger),
        1 => Just(Size::Chunked),
    ]
}

fn script(kind: Kind) -> impl Strategy<Value = Script> {
    let outside = prop_oneof![5 => Just(Vec::new()), 1 => vec(step(kind), 1..3)];
    (target(), size(), outside, vec(step(kind), 0..4), end(kind)).prop_map(
        |(target, size, outside, inside, end)| Script {
            target,
            size,
            outside,
            inside,
            end,
        },
    )
}

fn op(kind: Kind) -> impl Strategy<Value = Op> {
    let many = prop_oneof![3 => 1..3_usize, 2 => 5..30_usize];
    let lights = prop_oneof![3 => 1..12_usize, 1 => 30..60_usize];
    let pause = select(&[50_u64, 900, 3_000][..]).prop_map(move |micros| match kind {
        Kind::Exact => Op::Settle,
        _ => Op::Idle(Duration::from_micros(micros)),
    });
    prop_oneof![
        6 => (script(kind), many).prop_map(|(script, count)| Op::Arrive(script, count)),
        1 => (target(), size(), 30..50_usize).prop_map(|(target, size, count)| {
            Op::Arrive(Script::light(target, size), count)
        }),
        2 => (target(), size(), lights).prop_map(|(target, size, count)| Op::Lights(target, size, count)),
        3 => any::<usize>().prop_map(Op::Release),
        2 => Just(Op::ReleaseAll),
        2 => any::<usize>().prop_map(Op::Leave),
        5 => (1..62_usize).prop_map(Op::Turn),
        3 => Just(Op::Settle),
        1 => pause,
    ]
}

pub(super) fn ops(kind: Kind) -> impl Strategy<Value = Vec<Op>> {
    vec(op(kind), 1..40)
}
