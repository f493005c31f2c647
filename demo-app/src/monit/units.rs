//! Numbers as people read them, in at most six characters, whatever the number.

const NOTHING: &str = "-";

/// A time, given in seconds: `850µs`, `1.2ms`, `48ms`, `3.5s`, `2m05s`, `3h20m`, `9d`.
pub(crate) fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NOTHING.to_owned();
    }
    match seconds {
        0.0 => "0".to_owned(),
        s if s < 1e-6 => "<1µs".to_owned(),
        s if s < 999.5e-6 => format!("{:.0}µs", s * 1e6),
        s if s < 9.95e-3 => format!("{:.1}ms", s * 1e3),
        s if s < 999.5e-3 => format!("{:.0}ms", s * 1e3),
        s if s < 9.95 => format!("{s:.1}s"),
        s if s < 59.5 => format!("{s:.0}s"),
        s => long(s.round()),
    }
}

/// A time of at least a minute.
fn long(seconds: f64) -> String {
    let whole = seconds as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3_600, whole / 86_400);
    match days {
        _ if minutes < 60 => format!("{minutes}m{:02}s", whole % 60),
        _ if hours < 24 => format!("{hours}h{:02}m", minutes % 60),
        0..10 => format!("{days}d{:02}h", hours % 24),
        10..10_000 => format!("{days}d"),
        _ => ">9999d".to_owned(),
    }
}

/// A time given in microseconds.
pub(crate) fn micros(micros: f64) -> String {
    seconds(micros / 1e6)
}

/// How long ago something was, without fractions: `now`, `3s`, `2m05s`.
pub(crate) fn age(age: f64) -> String {
    match age {
        a if !a.is_finite() || a < 0.0 => NOTHING.to_owned(),
        a if a < 0.95 => "now".to_owned(),
        a if a < 59.5 => format!("{a:.0}s"),
        a => long(a.round()),
    }
}

/// A whole number: `0`, `9999`, `12.3k`, `4.5M`.
pub(crate) fn count(count: u64) -> String {
    if count < 10_000 {
        return count.to_string();
    }
    scaled(count as f64)
}

/// So many a second: `0`, `0.4`, `17`, `1234`, `12.3k`.
pub(crate) fn rate(rate: f64) -> String {
    match rate {
        r if !r.is_finite() || r < 0.0 => NOTHING.to_owned(),
        0.0 => "0".to_owned(),
        r if r < 0.05 => "<0.1".to_owned(),
        r if r < 9.95 => format!("{r:.1}"),
        r if r < 9_999.5 => format!("{r:.0}"),
        r => scaled(r),
    }
}

fn scaled(number: f64) -> String {
    for (unit, size) in [("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)] {
        match number / size {
            n if n < 99.95 => return format!("{n:.1}{unit}"),
            n if n < 999.5 => return format!("{n:.0}{unit}"),
            _ => {}
        }
    }
    ">999T".to_owned()
}

/// A part of one: `0%`, `<1%`, `42%`, `187%`.
pub(crate) fn percent(part: f64) -> String {
    match part * 100.0 {
        p if !p.is_finite() || p < 0.0 => NOTHING.to_owned(),
        0.0 => "0%".to_owned(),
        p if p < 0.5 => "<1%".to_owned(),
        p if p < 99_999.5 => format!("{p:.0}%"),
        _ => "many".to_owned(),
    }
}

/// The same, or a dash for what is not known.
pub(crate) fn or_dash(value: Option<f64>, text: impl FnOnce(f64) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_humane() {
        for (given, text) in [
            (0.0, "0"),
            (2e-7, "<1µs"),
            (37e-6, "37µs"),
            (999.6e-6, "1.0ms"),
            (0.00123, "1.2ms"),
            (0.048, "48ms"),
            (0.9996, "1.0s"),
            (3.52, "3.5s"),
            (9.96, "10s"),
            (59.7, "1m00s"),
            (125.0, "2m05s"),
            (12_000.0, "3h20m"),
            (100_000.0, "1d03h"),
            (1e7, "115d"),
            (1e30, ">9999d"),
            (-1.0, "-"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
        ] {
            assert_eq!(seconds(given), text, "{given}");
        }
        assert_eq!(micros(1_500.0), "1.5ms");
        assert_eq!((age(0.2).as_str(), age(59.6).as_str()), ("now", "1m00s"));
    }

    #[test]
    fn numbers_get_units_when_they_are_long() {
        for (given, text) in [
            (0, "0"),
            (9_999, "9999"),
            (12_345, "12.3k"),
            (123_456, "123k"),
            (999_999, "1.0M"),
            (u64::MAX, ">999T"),
        ] {
            assert_eq!(count(given), text, "{given}");
        }
        for (given, text) in [
            (0.0, "0"),
            (0.01, "<0.1"),
            (0.44, "0.4"),
            (9.97, "10"),
            (1_234.0, "1234"),
            (20_000.0, "20.0k"),
            (-3.0, "-"),
        ] {
            assert_eq!(rate(given), text, "{given}");
        }
        for (given, text) in [
            (0.0, "0%"),
            (0.001, "<1%"),
            (0.42, "42%"),
            (1.87, "187%"),
            (1e9, "many"),
        ] {
            assert_eq!(percent(given), text, "{given}");
        }
    }

    #[test]
    fn nothing_takes_more_than_six_characters() {
        for exponent in -12..24 {
            for digits in [1.0, 1.26, 9.4, 9.96, 9.995, 9.9999] {
                let number = digits * 10_f64.powi(exponent);
                let texts = [
                    seconds(number),
                    age(number),
                    rate(number),
                    percent(number),
                    count(number as u64),
                ];
                for text in texts {
                    assert!(text.chars().count() <= 6, "{number}: {text}");
                }
            }
        }
    }
}
