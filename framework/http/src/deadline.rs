//! How long a client says that it waits.

use std::time::Duration;

/// Reads a header whose value is a whole number of milliseconds; `None` if it is none.
#[must_use]
pub fn millis(value: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?;
    text.trim().parse().ok().map(Duration::from_millis)
}

/// Reads gRPC's `grpc-timeout`: up to eight digits and a unit, as its specification of the protocol over HTTP/2 says;
/// `None` if it is none.
///
/// # Examples
///
/// ```
/// use offload_http::deadline;
/// use std::time::Duration;
///
/// assert_eq!(deadline::grpc(b"250m"), Some(Duration::from_millis(250)));
/// assert_eq!(deadline::grpc(b"soon"), None);
/// ```
#[must_use]
pub fn grpc(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_whole_numbers() {
        assert_eq!(millis(b" 1500 "), Some(Duration::from_millis(1500)));
        for wrong in ["", "-1", "1.5", "1s", "\u{661}", "99999999999999999999"] {
            assert_eq!(millis(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(millis(&[0xff]), None);
    }

    #[test]
    fn grpc_has_six_units_and_at_most_eight_digits() {
        assert_eq!(grpc(b"2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(grpc(b"3M"), Some(Duration::from_secs(180)));
        assert_eq!(grpc(b"99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(grpc(b"7u"), Some(Duration::from_micros(7)));
        assert_eq!(grpc(b"7n"), Some(Duration::from_nanos(7)));
        for wrong in ["", "S", "1", "100000000S", "-1S", "1.5S", "1s", " 1S"] {
            assert_eq!(grpc(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
