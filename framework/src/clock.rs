//! What a piece of code cost its thread, without blaming it for time in which the kernel ran somebody else.

use std::{cell::Cell, ffi::c_long, time::Duration};

#[cfg(feature = "simulated-clock")]
use simulated as source;
#[cfg(not(feature = "simulated-clock"))]
use system as source;

#[cfg(feature = "simulated-clock")]
#[doc(hidden)]
pub mod simulated;
mod system;

/// How old a [`LoopClock`]'s sample of the thread's clocks may be when a measurement starts.
const SAMPLE_AGE_NANOS: u64 = 1_000_000;

/// The on-CPU time of the calling thread since it started.
///
/// Only differences mean anything. On systems without such a clock it is wall time.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    source::cpu_time().unwrap_or_else(system::wall_time)
}

/// Measures exactly what a stretch of code on one thread costs, at the price of a few system calls.
///
/// The cost is the thread's on-CPU time. But if the thread gave up the CPU of its own accord in between, because it slept
/// or waited for a lock, the cost is the wall time: on an event loop that freezes all others just the same. A thread
/// that was merely descheduled in favour of another is not blamed for it. (Only Linux tells the two apart; elsewhere the
/// cost is the on-CPU time.)
///
/// # Examples
///
/// ```
/// use offload_core::clock::Stopwatch;
///
/// let watch = Stopwatch::start();
/// let sum = (0..100_000_u64).fold(0, |sum, n| sum ^ std::hint::black_box(n));
/// let cost = watch.cost();
/// assert!(cost > std::time::Duration::ZERO, "{sum}");
/// ```
#[derive(Debug)]
#[must_use = "a stopwatch that nobody reads measures nothing"]
pub struct Stopwatch {
    wall: Moment,
    sample: Sample,
    // The clocks are the thread's own, so a reading on another one would be nonsense.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Stopwatch {
    /// Starts to measure the calling thread.
    pub fn start() -> Self {
        Self {
            wall: Moment::now(),
            sample: Sample::take(),
            _not_send: std::marker::PhantomData,
        }
    }

    /// The cost since the start.
    #[must_use]
    pub fn cost(&self) -> Duration {
        let now = Sample::take();
        let wall = Moment::now().since(self.wall);
        if now.gave_up_since(&self.sample) {
            wall
        } else {
            // The two clocks are read one after the other, and CPU time can't be more than what passed.
            now.cpu_since(&self.sample).min(wall)
        }
    }
}

/// Measures many short stretches on one thread, such as the polls of an event loop, for the price of two reads of the
/// monotonic clock each.
///
/// A stretch whose wall time is within the threshold costs no more than that, which is all one needs to know. For a longer
/// one the thread's CPU clock decides; it is sampled at most about once a millisecond, so it can leave a doubt, and then
/// the answer is [`Reading::Suspect`]: measure the next run with a [`Stopwatch`].
#[derive(Debug)]
pub struct LoopClock {
    threshold_nanos: u64,
    taken: Cell<Moment>,
    sample: Cell<Sample>,
    // The clocks are the thread's own.
    _not_send: std::marker::PhantomData<*const ()>,
}

/// The start of a stretch that a [`LoopClock`] measures.
#[derive(Clone, Copy, Debug)]
#[must_use = "give it to `LoopClock::stop`"]
pub struct Mark(Moment);

impl Mark {
    #[inline]
    pub(crate) fn moment(&self) -> Moment {
        self.0
    }
}

/// What a [`LoopClock`] found out about one stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The wall time of the stretch, which is what the other tasks of the loop waited.
    pub wall: Duration,
    /// Its cost.
    pub reading: Reading,
    on_cpu: Option<Duration>,
    end: Moment,
}

impl Measured {
    #[inline]
    pub(crate) fn moment(&self) -> Moment {
        self.end
    }

    /// For how much of the wall time the thread had a core, or wanted none; `None` where that is not known.
    pub(crate) fn on_cpu(&self) -> Option<Duration> {
        self.on_cpu
    }
}

/// The cost of a stretch, or the limits of what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The cost, surely on this side of the threshold. Below the threshold it is an upper bound, above it a lower bound.
    Cost(Duration),
    /// The stretch took longer than the threshold, but whether it computed, waited, or was descheduled is open.
    Suspect {
        /// So much it has computed for certain.
        at_least: Duration,
        /// It can't have cost more.
        at_most: Duration,
    },
}

impl LoopClock {
    /// A clock for the calling thread that tells costs above `threshold` from those up to it.
    #[must_use]
    pub fn new(threshold: Duration) -> Self {
        Self {
            threshold_nanos: u64::try_from(threshold.as_nanos()).unwrap_or(u64::MAX),
            taken: Cell::new(Moment::now()),
            sample: Cell::new(Sample::take()),
            _not_send: std::marker::PhantomData,
        }
    }

    /// Starts one stretch. Stretches may be nested.
    #[inline]
    pub fn start(&self) -> Mark {
        let now = Moment::now();
        if now.nanos_since(self.taken.get()) <= SAMPLE_AGE_NANOS {
            return Mark(now);
        }
        self.renew(now)
    }

    /// Says that the thread slept since the last stretch, so that the next one does not count that as its own waiting.
    pub(crate) fn slept(&self) {
        self.taken.set(Moment::default());
    }

    #[cold]
    fn renew(&self, now: Moment) -> Mark {
        self.taken.set(now);
        self.sample.set(Sample::take());
        // The system calls are not part of the stretch.
        Mark(Moment::now())
    }

    /// Ends the stretch that `mark` started.
    #[inline]
    #[must_use]
    pub fn stop(&self, mark: Mark) -> Measured {
        let end = Moment::now();
        let nanos = end.nanos_since(mark.0);
        let wall = Duration::from_nanos(nanos);
        let (reading, on_cpu) = if nanos <= self.threshold_nanos {
            (Reading::Cost(wall), None)
        } else {
            self.look_closer(mark, end, wall)
        };
        Measured {
            wall,
            reading,
            on_cpu,
            end,
        }
    }

    #[cold]
    fn look_closer(&self, mark: Mark, end: Moment, wall: Duration) -> (Reading, Option<Duration>) {
        let (taken, before) = (self.taken.get(), self.sample.get());
        let now = Sample::take();
        self.taken.set(end);
        self.sample.set(now);
        // An inner stretch may have renewed the sample since this one started. Then the part from there on is known.
        let lead = mark.0.since(taken);
        let unknown = taken.since(mark.0);
        let evidence = Evidence {
            wall,
            cpu: now.cpu_since(&before),
            lead,
            unknown,
            gave_up: now.gave_up_since(&before),
        };
        let reading = judge(&evidence, Duration::from_nanos(self.threshold_nanos));
        (reading, evidence.on_cpu())
    }
}

/// A reading of the monotonic clock as one number, which is compared and subtracted in a fraction of what an `Instant` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    #[inline]
    pub(crate) fn now() -> Self {
        Self(source::monotonic_nanos())
    }

    #[inline]
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Since the clock's own epoch.
    #[inline]
    pub(crate) fn nanos(self) -> u64 {
        self.0
    }

    /// Zero if `earlier` is later.
    #[inline]
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }
}

/// What is known of a stretch that took longer than the threshold.
#[derive(Clone, Copy, Debug)]
struct Evidence {
    wall: Duration,
    /// On-CPU time between the two samples.
    cpu: Duration,
    /// How much before the stretch the first sample was taken: so much of `cpu` may belong to what ran before.
    lead: Duration,
    /// How much of the stretch was over when the first sample was taken: about that part nothing is known.
    unknown: Duration,
    /// The thread gave up the CPU of its own accord between the samples: inside the stretch, or while idle before it.
    gave_up: bool,
}

impl Evidence {
    /// For how much of the stretch the thread had a core, or wanted none, at most; `None` if it may have waited before it instead.
    fn on_cpu(&self) -> Option<Duration> {
        let is_inside = self.lead < self.wall / 64;
        match self.gave_up {
            true => is_inside.then_some(self.wall),
            false => Some((self.cpu + self.unknown).min(self.wall)),
        }
    }
}

fn judge(evidence: &Evidence, threshold: Duration) -> Reading {
    let at_least = evidence
        .cpu
        .saturating_sub(evidence.lead)
        .min(evidence.wall);
    // If it waited inside the stretch, all of the wall time counts: then what is surely known has to be nearly all of it.
    let is_known = !evidence.gave_up || at_least >= evidence.wall - evidence.wall / 8;
    if at_least > threshold && is_known {
        return Reading::Cost(at_least);
    }
    if evidence.gave_up {
        return Reading::Suspect {
            at_least,
            at_most: evidence.wall,
        };
    }
    let at_most = (evidence.cpu + evidence.unknown).min(evidence.wall);
    if at_most <= threshold && system::TELLS_WAITING {
        // It neither computed nor waited: the kernel ran somebody else.
        return Reading::Cost(at_most);
    }
    Reading::Suspect {
        at_least,
        at_most: if system::TELLS_WAITING {
            at_most
        } else {
            evidence.wall
        },
    }
}

/// The thread's own clocks at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    cpu: Duration,
    voluntary_switches: c_long,
}

impl Sample {
    fn take() -> Self {
        Self {
            cpu: thread_cpu_time(),
            voluntary_switches: source::voluntary_switches(),
        }
    }

    fn cpu_since(&self, earlier: &Self) -> Duration {
        self.cpu.saturating_sub(earlier.cpu)
    }

    fn gave_up_since(&self, earlier: &Self) -> bool {
        self.voluntary_switches != earlier.voluntary_switches
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    const THRESHOLD: Duration = Duration::from_micros(100);

    const fn us(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    fn burn(cpu: Duration) {
        let start = thread_cpu_time();
        while thread_cpu_time() - start < cpu {
            std::hint::black_box(0);
        }
    }

    #[test]
    fn judgement_follows_the_table() {
        let evidence = |wall, cpu, lead, gave_up| Evidence {
            wall: us(wall),
            cpu: us(cpu),
            lead: us(lead),
            unknown: Duration::ZERO,
            gave_up,
        };
        let suspect = |at_least, at_most| Reading::Suspect {
            at_least: us(at_least),
            at_most: us(at_most),
        };
        let table = [
            (
                "computed",
                evidence(500, 600, 150, false),
                Reading::Cost(us(450)),
            ),
            (
                "computed, after an idle wait",
                evidence(500, 600, 150, true),
                Reading::Cost(us(450)),
            ),
            (
                "what ran before may have done it",
                evidence(150, 900, 850, false),
                suspect(50, 150),
            ),
            (
                "waited, here or before",
                evidence(500, 40, 900, true),
                suspect(0, 500),
            ),
            (
                "computed most of the time, and waited for the rest, here or before",
                evidence(900, 650, 0, true),
                suspect(650, 900),
            ),
            (
                "computed a little, and waited for long, here or before",
                evidence(5_000, 300, 20, true),
                suspect(280, 5_000),
            ),
        ];
        for (name, evidence, expected) in table {
            assert_eq!(judge(&evidence, THRESHOLD), expected, "{name}");
        }
        let descheduled = judge(&evidence(5_000, 60, 10, false), THRESHOLD);
        let expected = if system::TELLS_WAITING {
            Reading::Cost(us(60))
        } else {
            suspect(50, 5_000)
        };
        assert_eq!(descheduled, expected);
    }

    #[test]
    fn what_passed_before_a_renewed_sample_stays_open() {
        let evidence = Evidence {
            wall: us(500),
            cpu: us(30),
            lead: Duration::ZERO,
            unknown: us(300),
            gave_up: false,
        };
        let Reading::Suspect { at_most, .. } = judge(&evidence, THRESHOLD) else {
            panic!("nothing is known of the first 300 us");
        };
        assert!(at_most >= us(330));
    }

    #[test]
    fn a_stopwatch_charges_computing() {
        let watch = Stopwatch::start();
        burn(us(5_000));
        assert!(watch.cost() >= us(5_000));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_stopwatch_charges_sleeping_by_the_wall() {
        let watch = Stopwatch::start();
        thread::sleep(us(20_000));
        assert!(watch.cost() >= us(20_000));
    }

    #[test]
    fn a_short_stretch_costs_at_most_its_wall_time() {
        let clock = LoopClock::new(Duration::from_secs(3600));
        let mark = clock.start();
        let measured = clock.stop(mark);
        assert_eq!(measured.reading, Reading::Cost(measured.wall));
    }

    #[test]
    fn a_long_computation_is_surely_heavy() {
        let clock = LoopClock::new(THRESHOLD);
        let mark = clock.start();
        burn(us(20_000));
        let measured = clock.stop(mark);
        let Reading::Cost(cost) = measured.reading else {
            panic!("{measured:?}");
        };
        assert!(cost >= us(10_000) && cost <= measured.wall, "{measured:?}");
    }

    #[test]
    fn a_wait_is_never_called_light() {
        let clock = LoopClock::new(THRESHOLD);
        let mark = clock.start();
        thread::sleep(us(20_000));
        let measured = clock.stop(mark);
        let Reading::Suspect { at_most, .. } = measured.reading else {
            panic!("{:?}", measured.reading);
        };
        assert_eq!(at_most, measured.wall);
    }
}
