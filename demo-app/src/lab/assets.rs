//! The files of the page, as they are in the program, and the headers that keep it to itself.

use actix_web::{
    HttpResponse,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};

/// Nothing from anywhere else, nothing written into the page itself, nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What each part of the page is sent with.
pub(super) const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // A program that was built anew must not meet the scripts of the one before it.
    (CACHE_CONTROL, "no-store"),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All files of the page.
pub(super) static ALL: [Asset; 6] = [
    Asset {
        path: "/lab",
        content_type: "text/html; charset=utf-8",
        text: include_str!("lab.html"),
    },
    Asset {
        path: "/lab/lab.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("lab.css"),
    },
    Asset {
        path: "/lab/lab.js",
        content_type: SCRIPT,
        text: include_str!("lab.js"),
    },
    Asset {
        path: "/lab/jobs.js",
        content_type: SCRIPT,
        text: include_str!("jobs.js"),
    },
    Asset {
        path: "/lab/plot.js",
        content_type: SCRIPT,
        text: include_str!("plot.js"),
    },
    Asset {
        path: "/lab/pings.js",
        content_type: SCRIPT,
        text: include_str!("pings.js"),
    },
];

/// One file.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

impl Asset {
    pub(super) fn answer(&self) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        answer.insert_header((CONTENT_TYPE, self.content_type));
        for header in HEADERS {
            answer.insert_header(header);
        }
        answer.body(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> &'static str {
        let asset = ALL.iter().find(|asset| asset.path == path);
        asset.expect("an asset").text
    }

    #[test]
    fn the_page_holds_nothing_that_its_policy_forbids() {
        let page = text("/lab");
        for forbidden in [
            "<style",
            " style=",
            " onclick=",
            "javascript:",
            "http:",
            "https:",
        ] {
            assert!(!page.contains(forbidden), "the page has `{forbidden}`");
        }
        for script in page.split("<script").skip(1) {
            assert!(script.contains(" src=\"/lab/"), "<script{script:.40}");
        }
    }

    #[test]
    fn no_part_asks_another_host() {
        for asset in &ALL {
            for forbidden in ["http://", "https://", "\"//", "url(", "@import"] {
                let found = asset.text.contains(forbidden);
                assert!(!found, "{} has `{forbidden}`", asset.path);
            }
        }
    }
}
