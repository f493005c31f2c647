//! What the watch has seen of one thread: whether it is stuck is told from two looks and more.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Moment,
    event_loop::{EventLoop, Label, Poll, Role},
    os,
};

/// A loop is asked so often to come round,
const ASK_EVERY: Duration = Duration::from_millis(100);
/// and one at rest, so that it may sleep, so often.
const ASK_AT_REST: Duration = Duration::from_millis(500);
/// It is at rest if it has polled no request for so long.
const REST: Duration = Duration::from_secs(1);

/// One thread under watch.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) event_loop: Arc<EventLoop>,
    /// What it was at when it was looked at last, and when it had come round last.
    poll: Poll,
    beat: Moment,
    looked: Moment,
    cpu: Option<Duration>,
    /// When it was asked last.
    asked: Moment,
    /// What it did since it has been at what it is at.
    used: Duration,
    waited: Duration,
    /// When it was last seen to sleep though it has tasks to drive.
    rested: Moment,
}

/// A thread that has not gone on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stuck {
    pub(super) since: Moment,
    pub(super) label: Label,
    /// For how long, by the wall clock.
    pub(super) elapsed: Duration,
    /// For how long by what it did itself.
    pub(super) blamed: Duration,
    pub(super) used: Duration,
    pub(super) waits: bool,
}

/// What a look found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// It has gone on since the look before, at this moment.
    WentOn(Moment),
    /// It is at the same as before.
    Same(Option<Stuck>),
}

impl Sight {
    pub(super) fn new(event_loop: Arc<EventLoop>, now: Moment) -> Self {
        Self {
            poll: event_loop.turn().now(),
            beat: event_loop.heard().last(),
            looked: now,
            cpu: os::cpu_time(event_loop.thread()),
            asked: now,
            used: Duration::ZERO,
            waited: Duration::ZERO,
            rested: Moment::default(),
            event_loop,
        }
    }

    /// Looks once. `least` is how much it must be to blame for to be called stuck. That it waits at this moment counts for `moment`
    /// at most, however long the look before is ago: it may have been set aside for most of that time.
    pub(super) fn look(&mut self, now: Moment, least: Duration, moment: Duration) -> Look {
        let poll = self.event_loop.turn().now();
        let beat = self.event_loop.heard().last();
        let cpu = os::cpu_time(self.event_loop.thread());
        let gap = now.since(self.looked);
        let used = match (cpu, self.cpu) {
            (Some(now), Some(then)) => now.saturating_sub(then),
            // Where the system does not tell, all of the time counts.
            (None, None) => gap,
            // The thread has ended.
            _ => Duration::ZERO,
        };
        self.looked = now;
        self.cpu = cpu;
        let went_on = (poll, beat) != (self.poll, self.beat);
        if went_on {
            // When the poll that it is in now began, or the last one ended, or when it answered.
            let at = poll.since.max(beat);
            (self.poll, self.beat) = (poll, beat);
            // Of a poll that it is in, it has used at least what cannot have been used before that.
            let before = gap.saturating_sub(now.since(poll.since));
            self.used = used.saturating_sub(before);
            self.waited = Duration::ZERO;
            // Who is always at something is asked as well, or its lag would be that of quiet times.
            if self.event_loop.heard().asked().is_none() {
                self.ask_now_and_then(now, false);
            }
            return Look::WentOn(at);
        }
        self.used += used;
        // A thread that the kernel has set aside uses little as well, but it does not sleep.
        let sleeps = || os::is_waiting(self.event_loop.thread()) != Some(false);
        if self.poll.label == Some(Label::TASKS) && used < gap / 2 && sleeps() {
            // The tasks wait.
            self.rested = now;
            self.used = Duration::ZERO;
            return Look::WentOn(now);
        }
        let Some((since, label)) = self.open() else {
            self.ask_now_and_then(now, used > gap / 2);
            return Look::Same(None);
        };
        let elapsed = now.since(since);
        // The look at what the kernel says of the thread costs more, so it is made when the wall clock is against it.
        if used < gap / 2
            && elapsed > least / 2
            && os::is_waiting(self.event_loop.thread()) == Some(true)
        {
            self.waited += (gap - used).min(moment);
        }
        let blamed = (self.used + self.waited).min(elapsed);
        Look::Same((blamed >= least).then_some(Stuck {
            since,
            label,
            elapsed,
            blamed,
            used: self.used.min(elapsed),
            waits: self.waited > self.used,
        }))
    }

    /// Whether an event loop has been at the same thing for so long that it may be about to stall.
    pub(super) fn is_suspect(&self, now: Moment, least: Duration) -> bool {
        self.event_loop.role() == Role::EventLoop
            && (self.open()).is_some_and(|(since, _)| now.since(since) >= least)
    }

    /// Whether it is still at what it was at when it was looked at.
    pub(super) fn is_at_the_same(&self) -> bool {
        let now = (self.event_loop.turn().now(), self.event_loop.heard().last());
        now == (self.poll, self.beat)
    }

    /// Since when it owes a sign of life, and for whom it is busy.
    fn open(&self) -> Option<(Moment, Label)> {
        if let Some(label) = self.poll.label {
            return Some((self.poll.since.max(self.rested), label));
        }
        let asked = self.event_loop.heard().asked()?;
        // It may have been asked during a poll, which is no part of what keeps it now.
        Some((asked.max(self.poll.since), Label::NONE))
    }

    /// Asks an event loop to come round: at once if it computes without our knowing what, otherwise now and then.
    fn ask_now_and_then(&mut self, now: Moment, computes: bool) {
        if self.event_loop.role() != Role::EventLoop || !self.event_loop.heard().beats() {
            return;
        }
        let every = if now.since(self.poll.since) < REST {
            ASK_EVERY
        } else {
            ASK_AT_REST
        };
        if computes || now.since(self.asked) >= every {
            self.asked = now;
            if self.poll.label.is_none() {
                // What it did before it was asked does not count.
                (self.used, self.waited) = (Duration::ZERO, Duration::ZERO);
            }
            self.event_loop.heard().ask(now);
        }
    }
}
