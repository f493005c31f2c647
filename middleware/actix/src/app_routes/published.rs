//! One state of what is known of an app's patterns: predicts a request's route, and learns where actix really went.

use std::{
    cell::RefCell,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    },
};

use actix_http::{Method, StatusCode, Uri};
use actix_web::dev::Url;
use offload_core::{
    cost::{BodySize, SizeBucket},
    placement::Placement,
    routes::Route,
};

use super::names::{METHODS, UNMATCHED, method_index, named};
use crate::route_index::RouteIndex;

/// How much is known of an app's patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// Only the patterns that were pinned by configuration.
    Pins,
    /// All patterns, or as many as could be learned where actix could not be asked.
    Full,
}

/// One published state of an app's patterns with a place for each of their routes.
pub(crate) struct Published {
    pub(super) index: RouteIndex,
    pub(super) knowledge: Knowledge,
    pub(super) routes: Box<[OnceLock<Arc<Route>>]>,
    notes: Box<[AtomicU8]>,
    /// The patterns that match paths which a middleware such as `NormalizePath` spells differently.
    wide: Box<[bool]>,
    /// A middleware has changed a path that gave no reason to expect it.
    respells: AtomicBool,
}

/// A route has answered an upgrade request by an upgrade.
const UPGRADED: u8 = 1;
/// A route has answered an upgrade request by an ordinary response.
const DECLINED: u8 = 2;
/// actix has given a request to this route.
const KEPT: u8 = 4;
/// A request whose path is this route's was another's: guards decide, which the index does not know.
const DIVERTED: u8 = 8;

/// Where a route stands in [`Published`].
pub(crate) type Slot = usize;

/// Which route a request is expected to have, by its path as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prediction {
    pub(crate) slot: Slot,
    /// Where else it may go, if a middleware spells its path differently.
    pub(crate) other: Option<Slot>,
    /// Its path is no route's as it is, so `slot` is what a middleware may make of it.
    pub(crate) guess: bool,
}

/// Where actix has taken a request.
pub(crate) struct Went<'a> {
    /// A middleware has changed the path.
    changed: bool,
    /// The pattern that actix found.
    pattern: Option<&'a str>,
    /// No handler took the request, as far as can be seen; actix then names a pattern by the path alone.
    refused: bool,
}

impl<'a> Went<'a> {
    pub(crate) fn to(pattern: Option<&'a str>, changed: bool, status: StatusCode) -> Self {
        Self {
            changed,
            pattern,
            refused: matches!(
                status,
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
            ),
        }
    }
}

/// What a finished request says of its prediction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// The route that it really had.
    pub(crate) slot: Slot,
    /// Nothing said beforehand that it could be this one.
    pub(crate) mistaken: bool,
}

thread_local! {
    /// So that to spell a path differently takes no memory.
    static SPELLING: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Published {
    pub(super) fn new(index: RouteIndex, knowledge: Knowledge) -> Self {
        // One row of methods more than patterns: the last is for what no pattern matches.
        let places = (index.len() + 1) * METHODS.len();
        // `{name}` alone matches no slash, so such patterns never match a path with one too many.
        let wide = index.patterns().map(|pattern| pattern.contains([':', '*']));
        Self {
            wide: wide.collect(),
            index,
            knowledge,
            routes: (0..places).map(|_| OnceLock::new()).collect(),
            notes: (0..places).map(|_| AtomicU8::new(0)).collect(),
            respells: AtomicBool::new(false),
        }
    }

    /// The route that a request will probably have, or `None` while its pattern is not known.
    pub(crate) fn predict(&self, method: &Method, uri: &Uri) -> Option<Prediction> {
        let column = method_index(method);
        let Some(pattern) = self.index.find_uri(uri) else {
            return self.guess(column, uri.path());
        };
        let row = pattern.index();
        let slot = slot(row, column);
        if self.wide[row] || self.is_diverted(slot) {
            return Some(self.look_closer(row, column, uri));
        }
        Some(Prediction {
            slot,
            other: None,
            guess: false,
        })
    }

    /// What a path that is no route's will probably be made of by a middleware.
    #[cold]
    fn guess(&self, column: usize, path: &str) -> Option<Prediction> {
        let known = self.knowledge == Knowledge::Full;
        let guess = if known || is_unusual(path) {
            self.respelled(path, None)
        } else {
            None
        };
        let unmatched = slot(self.index.len(), column);
        let Some(row) = guess else {
            return known.then_some(Prediction {
                slot: unmatched,
                other: None,
                guess: false,
            });
        };
        let slot = slot(row, column);
        let is_met = |slot: &Slot| self.route(*slot).is_some();
        // While only pins are known, what has one to a lane goes there, and all else is unknown.
        (known || self.is_on_lane(slot)).then_some(Prediction {
            slot,
            other: Some(unmatched).filter(is_met),
            guess: true,
        })
    }

    /// For patterns of which more has to be known than that they match.
    fn look_closer(&self, row: usize, column: usize, uri: &Uri) -> Prediction {
        let mut slot = slot(row, column);
        let mut other = None;
        let path = uri.path();
        if self.wide[row] && (is_unusual(path) || self.respells.load(Relaxed)) {
            let elsewhere = self.respelled(path, Some(row));
            other = elsewhere.map(|row| self::slot(row, column));
        }
        if self.is_diverted(slot) {
            slot = self.past_guards(column, uri);
        }
        Prediction {
            slot,
            other,
            guess: false,
        }
    }

    /// The first pattern of a path that is not known to leave this method to a later one.
    #[cold]
    fn past_guards(&self, column: usize, uri: &Uri) -> Slot {
        let url = Url::new(uri.clone());
        let found = self.index.find_where(url.path(), |pattern| {
            !self.is_diverted(slot(pattern.index(), column))
        });
        let row = found.map_or(self.index.len(), |pattern| pattern.index());
        slot(row, column)
    }

    /// Where a path leads in the spellings that `NormalizePath` would give it, if to another row than `row`.
    ///
    /// This only says where a request may run; it never changes an answer.
    #[cold]
    fn respelled(&self, path: &str, row: Option<usize>) -> Option<usize> {
        SPELLING.with_borrow_mut(|spelling| {
            spelling.clear();
            for segment in path.split('/').filter(|segment| !segment.is_empty()) {
                spelling.push('/');
                spelling.push_str(segment);
            }
            let trimmed = self.row_of(spelling);
            let elsewhere = |found: &usize| Some(*found) != row;
            trimmed.filter(elsewhere).or_else(|| {
                spelling.push('/');
                self.row_of(spelling).filter(elsewhere)
            })
        })
    }

    fn row_of(&self, path: &str) -> Option<usize> {
        let found = if path.contains('%') {
            self.index.find_uri(&path.parse().ok()?)
        } else {
            self.index.find(path)
        };
        found.map(|pattern| pattern.index())
    }

    /// Learns from a finished request whether its prediction was right, and says which route it had.
    pub(crate) fn settle(&self, predicted: Prediction, went: &Went<'_>) -> Settled {
        let Prediction { slot, other, guess } = predicted;
        let right = Settled {
            slot,
            mistaken: false,
        };
        if went.refused && !went.changed && !guess {
            return right;
        }
        let really = self.slot_of(slot, went.pattern);
        let Some(really) = really.or_else(|| guess.then_some(slot)) else {
            return right;
        };
        if !went.refused {
            self.note(really, KEPT);
        }
        if really == slot {
            return right;
        }
        let mut foreseen = guess || other == Some(really);
        if !foreseen && went.changed {
            self.respells.store(true, Relaxed);
        } else if !foreseen && !self.is_unmatched(slot) {
            self.note(slot, DIVERTED);
            // The next prediction passes this pattern by.
            foreseen = self.is_diverted(slot);
        }
        Settled {
            slot: really,
            mistaken: !foreseen,
        }
    }

    /// The slot of a pattern, for the method of the request that was expected at `near`.
    fn slot_of(&self, near: Slot, pattern: Option<&str>) -> Option<Slot> {
        let pattern = pattern.map_or(UNMATCHED, named);
        let (_, expected) = self.label(near);
        if pattern == expected {
            return Some(near);
        }
        let row = self.row_named(pattern)?;
        Some(slot(row, near % METHODS.len()))
    }

    /// The slot of a pattern that was not expected, because its app's patterns are not known yet.
    pub(crate) fn slot_named(&self, method: &Method, pattern: Option<&str>) -> Option<Slot> {
        let row = self.row_named(pattern.map(named)?)?;
        Some(slot(row, method_index(method)))
    }

    pub(super) fn row_named(&self, pattern: &str) -> Option<usize> {
        if pattern == UNMATCHED {
            return Some(self.index.len());
        }
        self.index.patterns().position(|p| named(p) == pattern)
    }

    /// The pattern of a path that no middleware will change any more, by the path alone.
    pub(crate) fn pattern_of(&self, uri: &Uri) -> Option<&str> {
        let pattern = self.index.find_uri(uri)?;
        self.index.patterns().nth(pattern.index())
    }

    /// Whether all requests that were predicted to be this slot's were others'.
    fn is_diverted(&self, slot: Slot) -> bool {
        self.notes[slot].load(Relaxed) & (KEPT | DIVERTED) == DIVERTED
    }

    fn is_unmatched(&self, slot: Slot) -> bool {
        slot / METHODS.len() == self.index.len()
    }

    fn is_on_lane(&self, slot: Slot) -> bool {
        let none = SizeBucket::of(BodySize::Known(0));
        self.route(slot)
            .is_some_and(|route| route.place(none) == Placement::Lane)
    }

    #[inline]
    pub(crate) fn route(&self, slot: Slot) -> Option<&Arc<Route>> {
        self.routes[slot].get()
    }

    /// Whether it is known how a route answers a request for an upgrade.
    pub(crate) fn has_shaken_hands(&self, slot: Slot) -> bool {
        self.notes[slot].load(Relaxed) & (UPGRADED | DECLINED) != 0
    }

    /// Notes how a route answered an upgrade request.
    pub(crate) fn note_handshake(&self, slot: Slot, upgraded: bool) {
        self.note(slot, if upgraded { UPGRADED } else { DECLINED });
    }

    fn note(&self, slot: Slot, note: u8) {
        // Nearly always it is there, and then nothing is written that others read.
        if self.notes[slot].load(Relaxed) & note == 0 {
            self.notes[slot].fetch_or(note, Relaxed);
        }
    }

    pub(super) fn label(&self, slot: Slot) -> (&'static str, &str) {
        let row = slot / METHODS.len();
        let pattern = self.index.patterns().nth(row).map_or(UNMATCHED, named);
        (METHODS[slot % METHODS.len()], pattern)
    }

    pub(super) fn adopt(&self, route: &Arc<Route>) {
        let row = self.row_named(route.pattern());
        let column = METHODS.iter().position(|m| *m == route.method());
        if let (Some(row), Some(column)) = (row, column) {
            let _ = self.routes[slot(row, column)].set(Arc::clone(route));
        }
    }
}

fn slot(row: usize, column: usize) -> Slot {
    row * METHODS.len() + column
}

/// Whether a path is one that `NormalizePath` changes in all of its modes but one.
fn is_unusual(path: &str) -> bool {
    path.len() > 1 && path.ends_with('/') || path.contains("//")
}
