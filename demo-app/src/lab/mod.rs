//! The experiment page: heavy jobs run inline, through `web::block` and through the plugin, and what
//! each way does to the latency of `/`.

mod assets;
mod setup;

use actix_web::web::ServiceConfig;

use crate::on_actix::app::only;

/// Where the page and its parts are.
pub(crate) const PATHS: [&str; 7] = [
    "/lab",
    "/lab/lab.css",
    "/lab/lab.js",
    "/lab/jobs.js",
    "/lab/plot.js",
    "/lab/pings.js",
    "/lab/setup",
];

/// Adds the page and its parts to an app.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    for asset in &assets::ALL {
        let answer = move || async move { asset.answer() };
        let resource = only(asset.path, "GET, HEAD");
        cfg.service(resource.get(answer).head(answer));
    }
    cfg.service(
        only("/lab/setup", "GET, HEAD")
            .get(setup::setup)
            .head(setup::setup),
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_paths_are_those_of_all_parts() {
        let mut parts: BTreeSet<&str> = assets::ALL.iter().map(|asset| asset.path).collect();
        assert!(parts.insert("/lab/setup"));
        assert_eq!(parts, BTreeSet::from(PATHS));
    }
}
