//! Random apps and random paths: the index says what actix says.

use actix_http::Uri;
use actix_web::{
    Error, HttpResponse,
    dev::{
        AppService, HttpServiceFactory, ResourceDef, ServiceRequest, ServiceResponse, fn_service,
    },
    web,
};
use proptest::{prelude::*, sample::select};

use super::{RouteIndex, tests::with_map};

/// Something to register.
#[derive(Clone, Debug)]
enum Part {
    Resource(Vec<String>),
    /// As actix-files registers itself.
    Mount(String),
    Scope(String, Vec<Self>),
    External(String),
}

struct Mount(String);

impl HttpServiceFactory for Mount {
    fn register(self, config: &mut AppService) {
        let prefix = if config.is_root() {
            ResourceDef::root_prefix(&self.0)
        } else {
            ResourceDef::prefix(self.0)
        };
        let service = fn_service(|request: ServiceRequest| async {
            Ok::<ServiceResponse, Error>(request.into_response(HttpResponse::Ok()))
        });
        config.register_service(prefix, None, service, None);
    }
}

fn register(config: &mut web::ServiceConfig, part: &Part) {
    match part {
        Part::Resource(patterns) => {
            config.service(web::resource(patterns.clone()).to(HttpResponse::Ok));
        }
        Part::Mount(prefix) => {
            config.service(Mount(prefix.clone()));
        }
        Part::Scope(prefix, parts) => {
            let scope = web::scope(prefix);
            config.service(scope.configure(|inner| {
                for part in parts {
                    register(inner, part);
                }
            }));
        }
        Part::External(pattern) => {
            config.external_resource("external", pattern);
        }
    }
}

/// One piece of a pattern. `NAME` becomes unique, because actix takes no name twice.
fn fragment() -> impl Strategy<Value = String> {
    select(vec![
        "/a",
        "/b",
        "/ab",
        "/a.b",
        "/",
        "",
        "//a",
        "/é",
        "/a b",
        "/a}",
        "/*",
        "/{NAME}",
        "/{NAME}",
        "/{NAME:[^/]+}",
        "/{NAME:\\d+}",
        "/{NAME:a|b}",
        "/{NAME:[a-z]{2}}",
        "/{NAME:a/b}",
        "/{NAME:.*}",
        "/{NAME:(?:a/?)*}",
        "/a{NAME}",
        "/{NAME}b",
        "/{NAME}.{NAME}",
        "{NAME}",
        "/{NAME:a|/}",
    ])
    .prop_map(str::to_owned)
}

fn last_fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => Just(String::new()),
        1 => Just("/{NAME}*".to_owned()),
        1 => Just("{NAME}*".to_owned()),
        1 => Just("/a*".to_owned()),
        1 => Just("/".to_owned()),
    ]
}

fn pattern() -> impl Strategy<Value = String> {
    (prop::collection::vec(fragment(), 0..4), last_fragment()).prop_map(|(fragments, last)| {
        let mut pattern = String::new();
        for (at, text) in fragments.iter().chain([&last]).enumerate() {
            let mut pieces = text.split("NAME");
            pattern.push_str(pieces.next().unwrap_or_default());
            for (nth, piece) in pieces.enumerate() {
                pattern.push_str(&format!("n{at}_{nth}{piece}"));
            }
        }
        pattern
    })
}

fn part() -> impl Strategy<Value = Part> {
    let leaf = prop_oneof![
        8 => pattern().prop_map(|pattern| Part::Resource(vec![pattern])),
        2 => prop::collection::vec(pattern(), 1..4).prop_map(Part::Resource),
        2 => pattern().prop_map(Part::Mount),
        1 => pattern().prop_map(|path| Part::External(format!("https://host{path}"))),
        1 => pattern().prop_map(Part::External),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        (pattern(), prop::collection::vec(inner, 0..6))
            .prop_map(|(prefix, parts)| Part::Scope(prefix, parts))
    })
}

fn path() -> impl Strategy<Value = String> {
    let segment = select(vec![
        "a", "a", "b", "b", "ab", "ba", "a.b", "x", "1", "22", "", "é", "a b", "a}", "*", "\n",
        "{n}",
    ]);
    let start = prop_oneof![20 => Just("/"), 1 => Just(""), 1 => Just("//")];
    (start, prop::collection::vec(segment, 0..7))
        .prop_map(|(start, segments)| format!("{start}{}", segments.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_index_agrees_with_actix(
        parts in prop::collection::vec(part(), 0..8),
        paths in prop::collection::vec(path(), 200),
    ) {
        let configure = |config: &mut web::ServiceConfig| {
            for part in &parts {
                register(config, part);
            }
        };
        with_map(configure, |map| {
            let description = RouteIndex::describe(map);
            let index = RouteIndex::from_description(&description).expect("the map is readable");
            let patterns: Vec<&str> = index.patterns().collect();
            for path in &paths {
                let found = index.find(path).map(|id| patterns[id.index()]);
                assert_eq!(found, map.match_pattern(path).as_deref(), "{path:?} in {parts:?}");
                if !path.contains('%') && let Ok(uri) = path.parse::<Uri>() {
                    // Paths that are patterns are found without a search.
                    let same = index.find_uri(&uri).map(|id| patterns[id.index()]);
                    assert_eq!(same, index.find(uri.path()).map(|id| patterns[id.index()]), "{uri}");
                }
            }
        });
    }
}
