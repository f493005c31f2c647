//! The watch at work: looks at all event loops in turn, more often while one may be stuck, and reports those that are.

use std::{
    mem,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    limit::Limit,
    log,
    pool::PoolProbe,
    report::{NO_ROUTE, Stall, StallKind},
    shared::Shared,
    sight::{Look, Sight, Stuck},
    whereabouts::Whereabouts,
};
use crate::{
    clock::Moment,
    event_loop::{EventLoops, Label, Role},
    os, quiet,
    routes::Route,
};

/// So many looks a threshold while a loop may be about to stall, which is when it has been at one thing for one of them.
const LOOKS: u32 = 5;
/// So much less often otherwise. Each look takes a core from somebody for a moment: with five looks each 25 ms a server of light
/// requests served 4 % less.
const SELDOM: u32 = 4;
/// And never less often than this, whatever the threshold.
const MOST_SELDOM: Duration = Duration::from_millis(50);
/// So many times what its route usually costs is past a lane job's time.
const USUAL: u32 = 8;

/// The watch's own state, on its thread.
pub(super) struct Rounds {
    shared: Arc<Shared>,
    loops: EventLoops,
    under_watch: Vec<UnderWatch>,
    /// How many event loops and lane threads were met.
    met: u64,
    limit: Limit,
    /// Whether an event loop may be about to stall.
    suspects: bool,
    whereabouts: Whereabouts,
    /// What is to be said once all threads were looked at, which may take as long as it likes: each stall, and whether the log was
    /// told before where its thread was.
    to_say: Vec<(Stall, bool)>,
}

/// One thread and its stalls that last.
struct UnderWatch {
    sight: Sight,
    stuck: Option<Lasting>,
    pool: PoolProbe,
    pool_stuck: Option<Lasting>,
}

/// A stall that was begun and is not over.
struct Lasting {
    id: u64,
    since: Moment,
    /// It is reported again once it is to blame for so much.
    again_at: Duration,
    /// Whether any report of it was made, so that its end is of interest.
    reported: bool,
    /// Whether one said where its thread was.
    located: bool,
}

impl Rounds {
    pub(super) fn new(shared: Arc<Shared>, loops: EventLoops) -> Self {
        Self {
            limit: Limit::new(shared.settings.reports_per_minute),
            whereabouts: Whereabouts::new(shared.settings.backtraces),
            shared,
            loops,
            under_watch: Vec::new(),
            met: 0,
            suspects: false,
            to_say: Vec::new(),
        }
    }

    /// Looks until the watch is over.
    pub(super) fn go(&mut self) {
        // Not at once: what others start together with this comes first.
        thread::park_timeout(self.pace());
        self.whereabouts.get_ready();
        while !self.shared.is_over() {
            thread::park_timeout(self.pace());
            self.meet_new();
            self.suspects = false;
            let mut threads = mem::take(&mut self.under_watch);
            threads.retain_mut(|thread| self.look(thread));
            self.under_watch = threads;
            for (stall, located) in mem::take(&mut self.to_say) {
                self.say(&stall, located);
            }
        }
    }

    fn pace(&self) -> Duration {
        if self.suspects {
            self.quick()
        } else {
            self.seldom()
        }
    }

    /// The time between two looks while a loop may be about to stall.
    fn quick(&self) -> Duration {
        let quick = self.shared.settings.threshold / LOOKS;
        quick.max(Duration::from_millis(1)).min(self.seldom())
    }

    /// The time between two looks otherwise.
    fn seldom(&self) -> Duration {
        let settings = &self.shared.settings;
        let seldom = settings.threshold / LOOKS * SELDOM;
        let of_pool = settings
            .blocking_pool
            .map_or(MOST_SELDOM, |limit| limit / LOOKS);
        seldom.min(of_pool).min(MOST_SELDOM)
    }

    fn meet_new(&mut self) {
        let now = Moment::now();
        let (new, met) = self.loops.met_since(self.met);
        self.met = met;
        for new in new {
            self.under_watch.push(UnderWatch {
                sight: Sight::new(new, now),
                stuck: None,
                pool: PoolProbe::default(),
                pool_stuck: None,
            });
        }
    }

    /// Looks at one thread. False if it has ended.
    fn look(&mut self, thread: &mut UnderWatch) -> bool {
        let now = Moment::now();
        let event_loop = Arc::clone(&thread.sight.event_loop);
        if event_loop.has_ended() || os::has_ended(event_loop.thread()) {
            self.goes_on(thread, now);
            self.pool_goes_on(thread, now);
            return false;
        }
        let (quick, role) = (self.quick(), event_loop.role());
        let (least, moment) = match role {
            Role::EventLoop => (self.shared.settings.threshold, quick),
            Role::LaneThread => (self.shared.settings.lane_jobs, self.seldom()),
        };
        match thread.sight.look(now, least, moment) {
            Look::WentOn(at) => self.goes_on(thread, at),
            Look::Same(None) => {}
            Look::Same(Some(stuck)) => {
                if let Some(kind) = self.judge(role, stuck) {
                    self.found(&thread.sight, &mut thread.stuck, kind, stuck, now);
                    // Only now, so that whoever sees it stalled finds the stall.
                    event_loop.watched.is_stalled(stuck.elapsed, stuck.label);
                }
            }
        }
        if role == Role::EventLoop
            && let Some(limit) = self.shared.settings.blocking_pool
        {
            self.look_at_pool(thread, now, limit);
        }
        self.suspects |= thread.sight.is_suspect(now, quick);
        true
    }

    fn goes_on(&mut self, thread: &mut UnderWatch, at: Moment) {
        if let Some(lasting) = thread.stuck.take() {
            let event_loop = &thread.sight.event_loop;
            event_loop.watched.goes_on();
            event_loop.heard().was_kept_for(at.since(lasting.since));
            self.end(lasting, at);
        }
    }

    fn pool_goes_on(&mut self, thread: &mut UnderWatch, at: Moment) {
        if let Some(lasting) = thread.pool_stuck.take() {
            self.end(lasting, at);
        }
    }

    /// What kind of stall it is, if it is one.
    fn judge(&self, role: Role, stuck: Stuck) -> Option<StallKind> {
        match role {
            Role::LaneThread if stuck.label == Label::TASKS => Some(StallKind::LaneTasks),
            Role::LaneThread => {
                let route = self.route(stuck.label);
                let usual = route.and_then(|route| route.usual_lane_cost());
                let is_late = usual.is_none_or(|usual| stuck.blamed >= usual.saturating_mul(USUAL));
                is_late.then_some(StallKind::LaneJob)
            }
            Role::EventLoop if stuck.waits => Some(StallKind::Waiting),
            Role::EventLoop => Some(StallKind::Computing),
        }
    }

    fn look_at_pool(&mut self, thread: &mut UnderWatch, now: Moment, limit: Duration) {
        match thread.pool.look(&thread.sight.event_loop, now, limit) {
            Some((since, elapsed)) if elapsed >= limit => {
                let stuck = Stuck {
                    since,
                    label: Label::NONE,
                    elapsed,
                    blamed: elapsed,
                    used: Duration::ZERO,
                    waits: true,
                };
                let kind = StallKind::BlockingPool;
                self.found(&thread.sight, &mut thread.pool_stuck, kind, stuck, now);
            }
            Some(_) => {}
            None => self.pool_goes_on(thread, now),
        }
    }

    /// A stall has begun, or it lasts.
    fn found(
        &mut self,
        sight: &Sight,
        lasting: &mut Option<Lasting>,
        kind: StallKind,
        stuck: Stuck,
        now: Moment,
    ) {
        let due = lasting
            .as_ref()
            .is_none_or(|lasting| stuck.blamed >= lasting.again_at);
        let is_nowhere = lasting
            .as_ref()
            .is_none_or(|lasting| self.is_nowhere(lasting.id));
        // On a busy machine a thread may not get a core in time to say where it is, but for a longer stall it will.
        let found = (due && is_nowhere).then(|| self.backtrace(sight, kind));
        let lasting = lasting.get_or_insert_with(|| {
            if kind.is_of_loop() {
                sight.event_loop.watched.count();
            }
            // Whoever reads the stalls does not wait until the thread has said where it is.
            let backtrace = found.clone().unwrap_or_default();
            let stall = self.describe(sight, kind, stuck, backtrace);
            Lasting {
                id: self.shared.stalls().begin(stall),
                since: stuck.since,
                again_at: Duration::ZERO,
                reported: false,
                located: false,
            }
        });
        let mut stall = {
            let mut stalls = self.shared.stalls();
            let Some(stall) = stalls.get_mut(lasting.id) else {
                return;
            };
            (stall.elapsed, stall.on_cpu, stall.kind) = (stuck.elapsed, stuck.used, kind);
            if !due {
                return;
            }
            stall.backtrace = found.unwrap_or_else(|| mem::take(&mut stall.backtrace));
            stall.clone()
        };
        lasting.again_at = stuck.blamed.saturating_mul(2);
        match self.limit.ask(now) {
            Some(suppressed) => {
                stall.suppressed = suppressed;
                lasting.reported = true;
                let located = mem::replace(&mut lasting.located, !stall.backtrace.is_empty());
                self.to_say.push((stall, located));
            }
            None => self.shared.stalls().suppressed += 1,
        }
    }

    fn describe(
        &self,
        sight: &Sight,
        kind: StallKind,
        stuck: Stuck,
        backtrace: Vec<String>,
    ) -> Stall {
        let (now, event_loop) = (Instant::now(), &sight.event_loop);
        let route = self.route(stuck.label);
        Stall {
            id: 0,
            event_loop: (event_loop.role() == Role::EventLoop).then(|| event_loop.number()),
            thread: event_loop.name().to_owned(),
            route: route.map_or_else(|| NO_ROUTE.to_owned(), |route| route.to_string()),
            kind,
            elapsed: stuck.elapsed,
            on_cpu: stuck.used,
            over: false,
            began: now.checked_sub(stuck.elapsed).unwrap_or(now),
            suppressed: 0,
            backtrace,
        }
    }

    /// Whether it is still to be found out where the thread of a stall is.
    fn is_nowhere(&self, id: u64) -> bool {
        let mut stalls = self.shared.stalls();
        let stall = stalls.get_mut(id);
        stall.is_some_and(|stall| stall.backtrace.is_empty())
    }

    fn backtrace(&mut self, sight: &Sight, kind: StallKind) -> Vec<String> {
        if kind == StallKind::BlockingPool {
            return Vec::new(); // The thread of its event loop has no part in that.
        }
        let backtrace = self.whereabouts.of(&sight.event_loop);
        // It may have gone on meanwhile, and be in what another is to blame for.
        if sight.is_at_the_same() {
            backtrace
        } else {
            Vec::new()
        }
    }

    fn route(&self, label: Label) -> Option<Arc<Route>> {
        self.shared.settings.routes.as_ref()?.labelled(label)
    }

    fn say(&self, stall: &Stall, located: bool) {
        log::say(stall, located);
        let tell = self.shared.settings.on_stall.as_ref();
        if let Some(tell) = tell.filter(|_| !stall.over)
            && let Err(panic) = quiet::catch(|| tell(stall))
        {
            quiet::report("what is done with a stall", panic);
        }
    }

    /// It has gone on.
    fn end(&mut self, lasting: Lasting, at: Moment) {
        let mut stalls = self.shared.stalls();
        let Some(stall) = stalls.get_mut(lasting.id) else {
            return;
        };
        stall.over = true;
        stall.elapsed = at.since(lasting.since).max(stall.elapsed);
        if lasting.reported {
            self.to_say.push((stall.clone(), true));
        }
    }
}
