//! The flows of requests whose route nobody can tell: nobody has met it, or no pattern is known.

use std::{
    array,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use offload_core::admission::{Flow, Rank, Weight};

/// A few, so that what waits in one is not before all that waits.
const FLOWS: usize = 16;

/// One flow for a part of all paths, by their first segments: these tell most routes apart, and parameters come later.
#[derive(Debug)]
pub struct Unrouted([Pair; FLOWS]);

/// The flow of requests that may be of any route, and that of the few of them that come first.
#[derive(Debug)]
pub struct Pair {
    /// That of most of them.
    pub flow: Arc<Flow>,
    /// That of those that come first.
    pub probes: Arc<Flow>,
}

impl Default for Unrouted {
    fn default() -> Self {
        Self(array::from_fn(|_| Pair {
            flow: Flow::mixed(),
            probes: Flow::new(Weight::default(), Rank::High),
        }))
    }
}

impl Unrouted {
    /// Those of a request for this path.
    #[must_use]
    pub fn of(&self, path: &str) -> &Pair {
        let segment = path.trim_start_matches('/').split('/').next();
        let mut hasher = DefaultHasher::new();
        segment.hash(&mut hasher);
        let all = u64::try_from(FLOWS).unwrap_or(1);
        &self.0[usize::try_from(hasher.finish() % all).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_beginning_share_a_flow() {
        let unrouted = Unrouted::default();
        let flow = |path| Arc::as_ptr(&unrouted.of(path).flow);
        assert_eq!(flow("/now/1"), flow("//now/2/3"));
        assert_eq!(flow("/"), flow(""));
        let others = ["/a", "/b", "/c", "/d", "/e"].map(flow);
        assert!(others.iter().any(|other| *other != others[0]));
    }
}
