//! The files that the page is made of. They are part of the program, so that nothing is fetched from anywhere else.

use std::sync::LazyLock;

use actix_web::web::Bytes;

const PAGE: &str = include_str!("assets/live.html");
pub(super) const STYLE: &str = include_str!("assets/live.css");
pub(super) const SCRIPT: &str = include_str!("assets/live.js");

/// What `live.js` imports, by file name.
const MODULES: [(&str, &str); 9] = [
    ("dom.js", include_str!("assets/live/dom.js")),
    ("feed.js", include_str!("assets/live/feed.js")),
    ("format.js", include_str!("assets/live/format.js")),
    ("history.js", include_str!("assets/live/history.js")),
    ("lanes.js", include_str!("assets/live/lanes.js")),
    ("logs.js", include_str!("assets/live/logs.js")),
    ("loops.js", include_str!("assets/live/loops.js")),
    ("plot.js", include_str!("assets/live/plot.js")),
    ("routes.js", include_str!("assets/live/routes.js")),
];

pub(super) fn module(name: &str) -> Option<&'static str> {
    let mut found = MODULES.iter().filter(|(known, _)| *known == name);
    found.next().map(|(_, text)| *text)
}

/// The page, whose links are relative, so that it works behind proxies and in scopes.
///
/// `below` is what leads from the page's address to what it links to.
pub(super) fn page(below: &'static str) -> Bytes {
    static IN_FOLDER: LazyLock<Bytes> = LazyLock::new(|| linked(""));
    static BESIDE: LazyLock<Bytes> = LazyLock::new(|| linked("_offload/"));
    match below {
        "" => IN_FOLDER.clone(),
        _ => BESIDE.clone(),
    }
}

fn linked(below: &str) -> Bytes {
    PAGE.replace("{below}", below).into()
}
