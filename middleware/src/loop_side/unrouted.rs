//! The flows of requests whose route nobody can tell: before the app's first response, and where its patterns could not be listed.

use std::{
    array,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use offload_core::admission::{Flow, Rank, Weight};

/// A few, so that what waits in one is not before all that waits.
const FLOWS: usize = 16;

/// One flow for a part of all paths, by their first segments: these tell most routes apart, and parameters come later.
pub(crate) struct Unrouted([Pair; FLOWS]);

/// The flow of requests that may be of any route, and that of the few of them that come first.
pub(crate) struct Pair {
    pub(crate) flow: Arc<Flow>,
    pub(crate) probes: Arc<Flow>,
}

impl Unrouted {
    pub(crate) fn new() -> Self {
        Self(array::from_fn(|_| Pair {
            flow: Flow::mixed(),
            probes: Flow::new(Weight::default(), Rank::High),
        }))
    }

    /// Those of a request for this path.
    pub(crate) fn of(&self, path: &str) -> &Pair {
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
        let unrouted = Unrouted::new();
        let flow = |path| Arc::as_ptr(&unrouted.of(path).flow);
        assert_eq!(flow("/now/1"), flow("//now/2/3"));
        assert_eq!(flow("/"), flow(""));
        let others = ["/a", "/b", "/c", "/d", "/e"].map(flow);
        assert!(others.iter().any(|other| *other != others[0]));
    }
}
