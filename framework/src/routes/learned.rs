//! What is kept of routes that have left the table, within bounds: where they belong, and what they have counted.
//!
//! An app may end and be started again in one process, with others in its place meanwhile. Its routes then go on where they
//! stopped, and a profile that is saved knows of them all the time.

use std::{collections::HashMap, sync::Arc};

use super::{record::Record, shared::Name};
use crate::{cost::SizeBucket, placement::Verdict};

/// The verdicts of a route.
pub(super) type Verdicts = [Verdict; SizeBucket::COUNT];

/// The routes that have left, by name.
#[derive(Default)]
pub(super) struct Learned {
    by_name: HashMap<Name, Kept>,
    /// How many have ever left.
    count: u64,
}

/// What is kept of a route.
pub(super) struct Kept {
    pub(super) verdicts: Verdicts,
    pub(super) record: Arc<Record>,
    /// How many had left before it.
    left: u64,
}

impl Learned {
    /// Takes in a route that leaves. There are never more than `most`: whoever left first is forgotten.
    pub(super) fn keep(
        &mut self,
        name: Name,
        verdicts: Verdicts,
        record: Arc<Record>,
        most: usize,
    ) {
        let left = self.count;
        self.count += 1;
        let kept = Kept {
            verdicts,
            record,
            left,
        };
        self.by_name.insert(name, kept);
        if self.by_name.len() > most {
            let oldest = self.by_name.iter().min_by_key(|(_, kept)| kept.left);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.by_name.remove(&name);
            }
        }
    }

    /// Gives out what is kept of a route that is back.
    pub(super) fn take(&mut self, name: &Name) -> Option<Kept> {
        self.by_name.remove(name)
    }

    pub(super) fn verdicts(&self) -> impl Iterator<Item = (&Name, &Verdicts)> {
        let all = self.by_name.iter();
        all.map(|(name, kept)| (name, &kept.verdicts))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_left_first_is_forgotten_first() {
        let mut learned = Learned::default();
        let name = |number: usize| -> Name { (7, "GET".into(), format!("/{number}").into()) };
        for number in 0..30 {
            learned.keep(name(number), Verdicts::default(), Arc::default(), 10);
        }
        assert_eq!(learned.verdicts().count(), 10);
        assert!(learned.take(&name(19)).is_none());
        assert!(learned.take(&name(20)).is_some());
        assert!(learned.take(&name(20)).is_none(), "it is given out once");
        learned.keep(name(20), Verdicts::default(), Arc::default(), 10);
        learned.keep(name(30), Verdicts::default(), Arc::default(), 10);
        assert!(learned.take(&name(21)).is_none(), "the oldest by now");
        assert!(learned.take(&name(20)).is_some());
    }
}
