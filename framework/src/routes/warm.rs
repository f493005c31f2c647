//! Takes what was learned out of a table and into another, so that a restarted process begins warm.

use std::{collections::HashMap, time::Duration};

use super::{learned::Verdicts, shared::Name, table::RouteTable};
use crate::{
    cost::SizeBucket,
    placement::Verdict,
    profile::{KeptRoute, KeptVerdict, Profile},
};

/// What [`RouteTable::restore`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// Routes of the profile that are in the table now.
    pub routes: usize,
    /// What was taken over, counted by route and body size.
    pub verdicts: usize,
    /// The profile's budget, if it is another one than the table's; then nothing was taken over.
    pub other_budget: Option<Duration>,
}

impl RouteTable {
    /// What was learned so far: for each route and body size that is no longer unknown, where it belongs and how often
    /// it relapsed, also of routes that have left the table. Two snapshots are equal if nothing was learned in between.
    ///
    /// # Examples
    ///
    /// See [`restore`](Self::restore).
    #[must_use]
    pub fn snapshot(&self) -> Profile {
        let mut known: HashMap<Name, Verdicts> = self.learned().into_iter().collect();
        let met = self.routes().into_iter();
        let met = met.filter(|route| !route.is_overflow());
        known.extend(met.map(|route| (route.name(), route.verdicts())));
        let routes = known.into_iter().filter_map(|(name, verdicts)| {
            let verdicts: Vec<_> = SizeBucket::all()
                .filter_map(|body_size| {
                    let verdict = verdicts[body_size.index()];
                    Some(KeptVerdict {
                        body_size,
                        placement: verdict.known()?,
                        relapses: verdict.relapses(),
                    })
                })
                .collect();
            let (app, method, pattern) = name;
            (!verdicts.is_empty()).then(|| KeptRoute {
                app,
                method: method.into(),
                pattern: pattern.into(),
                verdicts,
            })
        });
        Profile::new(self.rules().budget, routes.collect())
    }

    /// Takes over what an earlier process learned.
    ///
    /// Routes that were not met yet are made, as far as the table has room. What belonged on the loop is trusted to be
    /// light and begins there; what belonged on the lane begins there and remembers its relapses. What this process
    /// has learned already stays. If the profile was made under another budget its verdicts say nothing, so all of its
    /// routes begin unknown, which is told in the result and logged.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use offload_core::{
    ///     cost::{BodySize, SizeBucket},
    ///     placement::{Placement, Rules},
    ///     routes::{Observation, RouteTable},
    /// };
    ///
    /// let none = SizeBucket::of(BodySize::Known(0));
    /// let before = RouteTable::new(Rules::default());
    /// for _ in 0..3 {
    ///     before.route(0, "GET", "/").observe(none, Observation {
    ///         cost: Duration::from_micros(20),
    ///         ran: Placement::Lane,
    ///         queued: None,
    ///     });
    /// }
    ///
    /// let after = RouteTable::new(Rules::default());
    /// assert_eq!(after.restore(&before.snapshot()).verdicts, 1);
    /// assert_eq!(after.route(0, "GET", "/").place(none), Placement::Loop);
    /// ```
    pub fn restore(&self, profile: &Profile) -> Restored {
        let budget = self.rules().budget;
        let other_budget = (profile.budget() != budget).then(|| profile.budget());
        let mut restored = Restored {
            routes: 0,
            verdicts: 0,
            other_budget,
        };
        for kept in profile.routes() {
            let route = self.route(kept.app, &kept.method, &kept.pattern);
            if route.is_overflow() {
                continue;
            }
            restored.routes += 1;
            if other_budget.is_some() {
                continue;
            }
            for kept in &kept.verdicts {
                let verdict = Verdict::kept(kept.placement, kept.relapses);
                restored.verdicts += usize::from(route.restore(kept.body_size, verdict));
            }
        }
        match other_budget {
            None => tracing::info!(
                target: "offload",
                routes = restored.routes,
                verdicts = restored.verdicts,
                "what was learned earlier has been restored",
            ),
            Some(saved) => tracing::warn!(
                target: "offload",
                routes = restored.routes,
                ?saved,
                ?budget,
                "the profile was made under another budget: what routes cost is learned anew",
            ),
        }
        restored
    }
}
