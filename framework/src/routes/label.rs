//! Names a route in the one word that an event loop keeps of what it polls.

use super::route::Route;
use crate::event_loop::Label;

impl Label {
    /// The label of a route, if there is one.
    #[must_use]
    #[inline]
    pub fn of(route: Option<&Route>) -> Self {
        route.map_or(Self::NONE, |route| {
            Self::from_word(route.id().wrapping_add(1))
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{placement::Rules, routes::RouteTable};

    #[test]
    fn a_label_is_of_a_route_or_of_none() {
        assert_eq!(Label::of(None), Label::NONE);
        let route = RouteTable::new(Rules::default()).route(0, "GET", "/");
        assert_eq!(Label::of(Some(&route)).id(), Some(route.id()));
    }
}
