//! What must hold of placement and pacing, whatever comes: a model that is simpler than what it checks.
//!
//! A *class* is what is learned as one: a route and a size of body, and by itself what a middleware leads there from a path of another
//! route. The model knows for each class whether it *is found heavy*. It errs towards light, so that what it calls a violation is one:
//! a class counts as light again after as few clean runs as it ever takes, and in a doubtful simulation the first heavy poll
//! may have gone unseen.

use std::{collections::HashMap, time::Duration};

use offload_core::{cost::SizeBucket, placement::Placement};

use super::script::{CLEAN, End, Kind, SLOW, Script, Target};

/// The clean runs that a class takes to the loop of which nothing is known.
const FIRST_CLEAN: u32 = 3;

/// Those of one that was heavy, at the least: eight, but two that end at once on two lanes may be counted in another order.
const CLEAN_AGAIN: u32 = 6;

type Key = (Target, SizeBucket);

#[derive(Debug)]
struct Class {
    /// Clean runs since it was found heavy, or since the beginning.
    clean: u32,
    needed: u32,
    /// Heavy polls on the loop that may have gone unseen, one after the other.
    unseen: u32,
    only_light: bool,
    was_on_loop: bool,
    /// It is a lane that has found it, since the loop has looked: the loop may not know yet.
    only_lanes_know: bool,
    /// Polls of lanes that may not count yet.
    polls: u32,
}

impl Class {
    fn is_found_heavy(&self) -> bool {
        self.clean < self.needed && !self.only_lanes_know
    }

    fn ran_clean(&mut self) {
        self.clean += 1;
        if !self.is_found_heavy() {
            self.unseen = 0;
        }
    }

    fn found_heavy(&mut self, at: Placement) {
        self.only_lanes_know = at == Placement::Lane && !self.is_found_heavy();
        self.clean = 0;
        self.unseen = 0;
        self.needed = CLEAN_AGAIN;
    }
}

pub(super) struct Oracle {
    kind: Kind,
    classes: HashMap<Key, Class>,
    /// Heavy polls since the loop has looked: of what was found heavy before, and of each class.
    heavy_again: u32,
    heavy: HashMap<Key, u32>,
    surprises: bool,
    violations: Vec<String>,
    pub(super) seen: Seen,
}

/// What has occurred, so that a test can tell that it has tested anything.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) heavy_on_loop: u64,
    pub(super) paced: u64,
    pub(super) on_lane: u64,
    pub(super) on_loop: u64,
    pub(super) came_back: u64,
}

fn key(script: &Script) -> Key {
    (script.target.known_as(), script.size.bucket())
}

impl Oracle {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            classes: HashMap::new(),
            heavy_again: 0,
            heavy: HashMap::new(),
            surprises: false,
            violations: Vec::new(),
            seen: Seen::default(),
        }
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.violations
    }

    pub(super) fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    fn class(&mut self, key: Key) -> &mut Class {
        let needed = match key.0 {
            // The page that it looks like decides.
            Target::SurpriseA | Target::SurpriseLane => 0,
            _ => FIRST_CLEAN,
        };
        self.classes.entry(key).or_insert(Class {
            clean: 0,
            needed,
            unseen: 0,
            only_light: true,
            was_on_loop: false,
            only_lanes_know: false,
            polls: 0,
        })
    }

    /// Whether a request that is placed now belongs on the loop, as far as the model can tell.
    pub(super) fn is_settled(&mut self, script: &Script) -> bool {
        let class = self.class(key(script));
        class.only_light && class.was_on_loop
    }

    /// A request begins: on the loop when it is placed, on a lane later. `settled` is what was known when it was placed.
    pub(super) fn begins(&mut self, script: &Script, at: Placement, settled: bool) {
        let (target, bucket) = key(script);
        match at {
            Placement::Loop => self.seen.on_loop += 1,
            Placement::Lane => self.seen.on_lane += 1,
        }
        self.surprises |= target.is_surprise();
        // P4
        match (target, at) {
            (Target::PinnedToLane, Placement::Loop) | (Target::PinnedToLoop, Placement::Lane) => {
                self.violated(format!("P4: {target:?} began on the {at}"));
            }
            _ => {}
        }
        if matches!(target, Target::PinnedToLane | Target::PinnedToLoop) {
            return;
        }
        // P2
        let class = self.class((target, bucket));
        let found = class.is_found_heavy();
        if at == Placement::Loop && found {
            let class = format!("{class:?}");
            self.violated(format!(
                "P2: {target:?} {bucket:?} began on the loop: {class}"
            ));
            return;
        }
        if at == Placement::Loop && class.needed == CLEAN_AGAIN {
            self.seen.came_back += 1;
        }
        // P5. Pages are what surprises look like, and what is spelt differently may be anything.
        let class = self.class((target, bucket));
        class.was_on_loop |= at == Placement::Loop;
        let excepted = script.target == Target::RespelledA
            || target.is_surprise()
            || target == Target::Page && self.surprises;
        if at == Placement::Lane && settled && !excepted {
            self.violated(format!("P5: {target:?} {bucket:?} is light and was moved"));
        }
    }

    pub(super) fn is_found_heavy(&mut self, script: &Script) -> bool {
        self.class(key(script)).is_found_heavy()
    }

    /// A poll of a request has ended on the loop that took so long. `found` is what was known of its class when it began.
    pub(super) fn polled(&mut self, script: &Script, cost: Duration, found: bool, begins: bool) {
        let key = key(script);
        if key.0 == Target::PinnedToLoop {
            return;
        }
        if cost < SLOW {
            return;
        }
        self.seen.heavy_on_loop += 1;
        let doubtful = self.kind != Kind::Exact;
        let class = self.class(key);
        class.unseen += 1;
        if class.unseen > u32::from(doubtful) {
            class.found_heavy(Placement::Loop);
        }
        let count = self.heavy.entry(key).or_default();
        *count += 1;
        let (count, class) = (*count, format!("{key:?}"));
        // P1
        if count > 1 + u32::from(doubtful) {
            self.violated(format!("P1: {count} heavy polls of {class} in one turn"));
        }
        if found {
            self.seen.paced += 1;
            self.heavy_again += 1;
            if self.heavy_again > 1 {
                let again = self.heavy_again;
                self.violated(format!(
                    "P1: {again} polls of what was heavy in one turn, at last {class}, begins: {begins}"
                ));
            }
        }
    }

    /// A handler takes so long in all by now. Said before the plugin can know it, and however it ends.
    pub(super) fn takes(&mut self, script: &Script, cost: Duration) {
        if cost > CLEAN {
            self.is_not_light(script);
        }
    }

    /// The kernel has set a handler's thread aside. Where handlers also block, that looks like a longer wait.
    pub(super) fn set_aside(&mut self, script: &Script) {
        if self.kind == Kind::Doubtful {
            self.is_not_light(script);
        }
    }

    fn is_not_light(&mut self, script: &Script) {
        let (target, bucket) = key(script);
        self.class((target, bucket)).only_light = false;
        // It is booked where the middleware has led it.
        if target == Target::SurpriseA {
            self.class((Target::A, bucket)).only_light = false;
        }
    }

    /// A piece of a body was made on a lane, or part of one in a poll. Says whether it was heavy.
    pub(super) fn made(&mut self, script: &Script, cost: Duration) -> bool {
        let is_heavy = cost >= SLOW;
        if is_heavy {
            let class = self.class(key(script));
            class.found_heavy(Placement::Lane);
            class.polls += 1;
        }
        is_heavy
    }

    /// The poll is over in which such a piece was made.
    pub(super) fn poll_counts(&mut self, script: &Script) {
        self.class(key(script)).polls -= 1;
    }

    /// A handler has ended, after it has taken so long in all.
    pub(super) fn ended(&mut self, script: &Script, at: Placement, cost: Duration, error: bool) {
        let own = key(script);
        let (target, bucket) = own;
        // A handler that panics does not say where a path has led that is spelt differently.
        if script.target == Target::RespelledA && matches!(script.end, End::Panic) {
            return;
        }
        // That it was its own counts whatever it was, and has no sizes.
        if target == Target::Page {
            for ((target, _), class) in &mut self.classes {
                if target.is_surprise() {
                    class.ran_clean();
                }
            }
        }
        let class = self.class(own);
        if cost >= SLOW && at == Placement::Lane && !target.is_surprise() {
            class.found_heavy(at);
            return;
        }
        // Whatever it cost, what it looked like is in doubt, because it is pinned to a lane.
        if target == Target::SurpriseLane && at == Placement::Loop && !error {
            class.found_heavy(at);
            return;
        }
        if cost > CLEAN || error && target != Target::Unmatched {
            return;
        }
        // What a surprise shows may count for the page that it looked like, for what it was, and for itself.
        let mut counts = vec![own];
        match target {
            Target::SurpriseA => counts.extend([(Target::A, bucket), (Target::Page, bucket)]),
            Target::SurpriseLane => counts.push((Target::Page, bucket)),
            Target::A => counts.push((Target::SurpriseA, bucket)),
            _ => {}
        }
        for key in counts {
            self.class(key).ran_clean();
        }
    }

    /// The loop has looked at its sockets, and the lanes have nothing to do.
    pub(super) fn looked(&mut self) {
        for class in self.classes.values_mut() {
            class.only_lanes_know &= class.polls > 0;
        }
        self.heavy_again = 0;
        self.heavy.clear();
    }
}
