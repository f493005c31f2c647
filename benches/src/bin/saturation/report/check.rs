//! Whether a criterion is met, with the numbers that say so.

use std::fmt;

use serde::Serialize;

/// One comparison of a criterion.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    what: String,
    value: Option<f64>,
    limit: Option<f64>,
    relation: Relation,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Relation {
    AtMost,
    AtLeast,
}

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    Missed,
    /// One of the sides was not measured in this run.
    Open,
}

impl Check {
    /// `value` is to be at most `limit`.
    pub(crate) fn at_most(what: impl Into<String>, value: Option<f64>, limit: Option<f64>) -> Self {
        Self {
            what: what.into(),
            value,
            limit,
            relation: Relation::AtMost,
        }
    }

    /// `value` is to be at least `limit`.
    pub(crate) fn at_least(
        what: impl Into<String>,
        value: Option<f64>,
        limit: Option<f64>,
    ) -> Self {
        Self {
            relation: Relation::AtLeast,
            ..Self::at_most(what, value, limit)
        }
    }

    /// The same of something that has to be named.
    pub(crate) fn of(mut self, whose: &str) -> Self {
        self.what = format!("{whose}, {}", self.what);
        self
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let (Some(value), Some(limit)) = (self.value, self.limit) else {
            return Verdict::Open;
        };
        let holds = match self.relation {
            Relation::AtMost => value <= limit,
            Relation::AtLeast => value >= limit,
        };
        if holds { Verdict::Ok } else { Verdict::Missed }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Missed => "MISSED",
            Self::Open => "not measured",
        })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<f64>| {
            number.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"))
        };
        let sign = match self.relation {
            Relation::AtMost => "<=",
            Relation::AtLeast => ">=",
        };
        let (value, limit) = (number(self.value), number(self.limit));
        write!(f, "{}: {value} {sign} {limit}", self.what)
    }
}

/// What several comparisons come to together.
pub(crate) fn overall(checks: &[Check]) -> Verdict {
    let any = |wanted| checks.iter().any(|check| check.verdict() == wanted);
    if any(Verdict::Missed) {
        Verdict::Missed
    } else if any(Verdict::Open) {
        Verdict::Open
    } else {
        Verdict::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_holds_misses_or_is_open() {
        let at_most = |value, limit| Check::at_most("x", value, limit).verdict();
        assert_eq!(at_most(Some(1.0), Some(1.0)), Verdict::Ok);
        assert_eq!(at_most(Some(1.1), Some(1.0)), Verdict::Missed);
        assert_eq!(at_most(Some(f64::INFINITY), Some(1.0)), Verdict::Missed);
        assert_eq!(at_most(None, Some(1.0)), Verdict::Open);
        let at_least = Check::at_least("rate", Some(0.5), Some(0.95));
        assert_eq!(at_least.verdict(), Verdict::Missed);
        assert_eq!(at_least.to_string(), "rate: 0.50 >= 0.95");
    }

    #[test]
    fn one_miss_is_a_miss_and_one_gap_leaves_it_open() {
        let check = |value| Check::at_most("x", value, Some(1.0));
        let (ok, missed, open) = (check(Some(0.0)), check(Some(2.0)), check(None));
        assert_eq!(
            overall(&[ok.clone(), missed, open.clone()]),
            Verdict::Missed
        );
        assert_eq!(overall(&[ok.clone(), open]), Verdict::Open);
        assert_eq!(overall(&[ok]), Verdict::Ok);
    }
}
