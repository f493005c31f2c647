//! Which bodies are taken: how long they may be, and what they must say that they are.

use mime::Mime;

/// How long a JSON body of `/json/parse` and `/sort` may be, in bytes.
pub(crate) const LARGE: usize = 64 << 20;

/// How long a JSON body of `/hash` and `/verify` may be, in bytes.
pub(crate) const SMALL: usize = 64 << 10;

/// The rule of actix's `web::Json`: `application/json`, or anything that ends in `+json`.
pub(crate) fn says_json(content_type: &str) -> bool {
    content_type
        .parse()
        .is_ok_and(|mime: Mime| mime.subtype() == mime::JSON || mime.suffix() == Some(mime::JSON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_by_several_names() {
        for name in [
            "application/json",
            "application/json; charset=utf-8",
            "application/problem+json",
            "text/json",
        ] {
            assert!(says_json(name), "{name}");
        }
        for name in [
            "",
            "json",
            "text/plain",
            "application/jsonl",
            "application/",
        ] {
            assert!(!says_json(name), "{name}");
        }
    }
}
