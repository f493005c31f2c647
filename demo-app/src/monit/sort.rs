//! The orders in which routes can be listed.

use std::cmp::Ordering;

use super::{rates::RouteRates, state::Route};

/// What the busiest routes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Those whose runs take most time.
    #[default]
    Cost,
    /// Those that run most often.
    Runs,
    /// Those that were refused most often.
    Refused,
    /// By their names.
    Name,
}

impl Sort {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Cost => Self::Runs,
            Self::Runs => Self::Refused,
            Self::Refused => Self::Name,
            Self::Name => Self::Cost,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Runs => "runs/s",
            Self::Refused => "refused",
            Self::Name => "name",
        }
    }

    /// The routes in this order. Those that do nothing now follow by what they have done so far.
    pub(crate) fn order<'a>(
        self,
        routes: &'a [Route],
        rates: &[RouteRates],
    ) -> Vec<(&'a Route, RouteRates)> {
        let rates = rates
            .iter()
            .copied()
            .chain(std::iter::repeat(RouteRates::default()));
        let mut routes: Vec<_> = routes.iter().zip(rates).collect();
        routes.sort_by(|(a, rate_a), (b, rate_b)| {
            let by_name = || (&a.pattern, &a.method, a.app).cmp(&(&b.pattern, &b.method, b.app));
            let by_cost = || more(rate_a.cores.unwrap_or(0.0), rate_b.cores.unwrap_or(0.0));
            let by_runs = || more(rate_a.runs.unwrap_or(0.0), rate_b.runs.unwrap_or(0.0));
            let so_far = || more(spent(a), spent(b)).then_with(|| b.runs().cmp(&a.runs()));
            let first = match self {
                Self::Cost => by_cost(),
                Self::Runs => by_runs().then_with(|| b.runs().cmp(&a.runs())),
                Self::Refused => b.refused.cmp(&a.refused).then_with(by_cost),
                Self::Name => Ordering::Equal,
            };
            match self {
                Self::Name => by_name(),
                _ => first.then_with(so_far).then_with(by_name),
            }
        });
        routes
    }
}

/// About the time that all runs of a route took, in microseconds.
fn spent(route: &Route) -> f64 {
    route.cost.map_or(0.0, |cost| cost.p50_us) * route.runs() as f64
}

fn more(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monit::state::Cost;

    fn route(pattern: &str, runs: u64, refused: u64, p50_us: f64) -> Route {
        Route {
            method: "GET".into(),
            pattern: pattern.into(),
            loop_runs: runs,
            refused,
            cost: Some(Cost {
                p50_us,
                ..Cost::default()
            }),
            ..Route::default()
        }
    }

    #[test]
    fn each_order_puts_its_own_first() {
        let routes = [
            route("/a", 10, 0, 1.0),
            route("/c", 5, 9, 100.0),
            route("/b", 1_000, 3, 50.0),
            route("/d", 1, 0, 2_000.0),
        ];
        let rate = |runs, cores| RouteRates {
            runs: Some(runs),
            cores: Some(cores),
        };
        let rates = [rate(0.0, 0.0), rate(1.0, 0.9), rate(100.0, 0.5)];
        let names = |sort: Sort| {
            let order = sort.order(&routes, &rates);
            order
                .iter()
                .map(|(route, _)| route.pattern.as_str())
                .collect::<Vec<_>>()
                .concat()
        };
        // The idle ones follow by the cost so far.
        assert_eq!(names(Sort::Cost), "/c/b/d/a");
        assert_eq!(names(Sort::Runs), "/b/c/a/d");
        assert_eq!(names(Sort::Refused), "/c/b/d/a");
        assert_eq!(names(Sort::Name), "/a/b/c/d");
    }

    #[test]
    fn four_times_is_once_around() {
        let once_around = Sort::default().next().next().next().next();
        assert_eq!(once_around, Sort::default());
    }
}
