//! What the index says of apps and patterns that are known to be tricky.

use std::{cell::RefCell, rc::Rc};

use actix_http::Uri;
use actix_web::{
    App, HttpResponse,
    dev::{ResourceDef, ResourceMap, Service},
    rt::System,
    test::{self, TestRequest},
    web::{self, ServiceConfig},
};

use super::{Description, EnumerateError, RouteIndex};

/// Hands the resource map of an app to `check`.
pub(super) fn with_map(
    configure: impl FnOnce(&mut ServiceConfig),
    check: impl FnOnce(&ResourceMap),
) {
    System::new().block_on(async {
        let map = Rc::new(RefCell::new(None));
        let seen = Rc::clone(&map);
        let app = App::new()
            .configure(configure)
            .wrap_fn(move |request, service| {
                *seen.borrow_mut() = Some(request.resource_map().clone());
                service.call(request)
            });
        let app = test::init_service(app).await;
        let request = TestRequest::with_uri("/nowhere").to_request();
        app.call(request).await.expect("the app answers");
        let map = map.take().expect("the middleware saw the map");
        check(&map);
    });
}

fn index_of(configure: impl FnOnce(&mut ServiceConfig)) -> RouteIndex {
    let mut index = None;
    with_map(configure, |map| {
        index = Some(RouteIndex::from_description(&RouteIndex::describe(map)));
    });
    index.expect("checked").expect("the map is readable")
}

fn resource(pattern: &str) -> actix_web::Resource {
    web::resource(pattern).to(HttpResponse::Ok)
}

fn find<'a>(index: &'a RouteIndex, path: &str) -> Option<&'a str> {
    let id = index.find(path)?;
    index.patterns().nth(id.index())
}

fn learned(patterns: &[&str]) -> RouteIndex {
    RouteIndex::from_patterns(patterns.iter().map(|pattern| (*pattern).to_owned()))
}

fn assert_send_and_sync<T: Send + Sync>(_: &T) {}

#[test]
fn all_patterns_are_listed_in_order_of_registration() {
    let index = index_of(|config| {
        config
            .service(resource("/{id}"))
            .service(
                web::scope("/api")
                    .service(web::scope("/v{n}").service(resource("/{id:\\d+}")))
                    .service(resource("/\"quoted\"")),
            )
            .service(web::resource(["/first", "/second"]).to(HttpResponse::Ok))
            .service(resource("/{id}"))
            .service(web::scope("/empty"))
            .external_resource("outside", "https://example.com/{id}");
    });
    let patterns: Vec<&str> = index.patterns().collect();
    let expected = ["/{id}", "/api/v{n}/{id:\\d+}", "/api/\"quoted\"", "/first"];
    assert_eq!(patterns, expected);
    assert_eq!(index.len(), expected.len());
    assert!(index.is_complete());
    assert_send_and_sync(&index);
}

#[test]
fn the_first_registered_wins_and_a_scope_keeps_what_it_matched() {
    let index = index_of(|config| {
        config
            .service(resource("/x/{id}"))
            .service(resource("/x/literal"))
            .service(resource("/y/literal"))
            .service(resource("/y/{id}"))
            .service(
                web::scope("/api")
                    .service(resource("/a"))
                    .service(resource("")),
            )
            .service(resource("/api/b"))
            .service(web::scope("/api").service(resource("/c")))
            .service(resource("/apis"))
            .service(web::scope("/{tenant}").service(resource("/home")))
            .service(resource("/{one}/{two}"))
            .service(resource("/{rest}*"));
    });
    for (path, expected) in [
        ("/x/literal", Some("/x/{id}")),
        ("/y/literal", Some("/y/literal")),
        ("/y/other", Some("/y/{id}")),
        ("/api", Some("/api")),
        ("/api/", None),
        ("/api/a", Some("/api/a")),
        ("/api/b", None),
        ("/api/c", None),
        ("/apis", Some("/apis")),
        ("/acme/home", Some("/{tenant}/home")),
        ("/acme/other", None),
        ("/acme", None),
        ("//", Some("/{rest}*")),
        ("/", Some("/{rest}*")),
        ("", None),
        ("*", None),
    ] {
        assert_eq!(find(&index, path), expected, "{path}");
    }
}

#[test]
fn a_request_is_known_before_it_is_routed() {
    System::new().block_on(async {
        let app = App::new()
            .service(resource("/a b/{id}"))
            .service(resource("/file/{name}.{ext}"))
            .service(
                web::scope("/s/{id}")
                    .service(resource("/t"))
                    .service(resource("/{tail}*")),
            )
            .service(resource("/plus+/{id}"))
            .wrap_fn(|request, service| {
                let description = RouteIndex::describe(request.resource_map());
                let index = RouteIndex::from_description(&description).expect("readable");
                let id = index.find_uri(request.uri());
                let predicted =
                    id.and_then(|id| index.patterns().nth(id.index()).map(str::to_owned));
                let response = service.call(request);
                async move {
                    let response = response.await?;
                    let routed = response.request().match_pattern();
                    assert_eq!(predicted, routed, "{}", response.request().uri());
                    Ok(response)
                }
            });
        let app = test::init_service(app).await;
        let mut matched = 0;
        for uri in [
            "/a%20b/1",
            "/a%20b/%2F",
            "/a%20b/1%2F2",
            "/%61%20b/1?query=%2F/x",
            "/file/a%2Eb",
            "/file/%ff.%00",
            "/s/%31/t",
            "/s/1/%74",
            "/s/1//",
            "/s%2F1/t",
            "/plus+/1",
            "/plus%2B/1",
            "/plus%2/1",
            "/",
            "http://host/s/1/t?x",
            "http://host",
        ] {
            let request = TestRequest::with_uri(uri).to_request();
            let response = app.call(request).await.expect("the app answers");
            matched += usize::from(response.status().is_success());
        }
        assert!(
            matched >= 9,
            "only {matched} of the requests matched anything"
        );
    });
}

/// Such an expression may match in the middle of a path, and then actix takes as many bytes off its
/// start, so this table has no characters that could be cut in two: actix panics over those.
#[test]
fn an_expression_that_breaks_out_of_its_group_is_left_to_actix() {
    with_map(
        |config| {
            config
                .service(resource("/start/{x:a)|(b}/end"))
                .service(web::scope("/s/{x:a)|(b}").service(resource("/{id}")))
                .service(resource("/{rest}*"));
        },
        |map| {
            let index = RouteIndex::from_description(&RouteIndex::describe(map)).expect("readable");
            for path in [
                "/start/a",
                "/start/b/end",
                "/b/end",
                "/s/a/1",
                "/s/b/1",
                "/x/b/1",
                "b",
                "/b",
            ] {
                let expected = map.match_pattern(path);
                assert_eq!(find(&index, path), expected.as_deref(), "{path}");
            }
        },
    );
}

/// actix's own scopes have one prefix, but a service of a user's may have more.
#[test]
fn of_several_prefixes_the_first_listed_counts() {
    for prefixes in [["/{y}", "/a/{x}"], ["/a/{x}", "/{y}"]] {
        let mut prefix = ResourceDef::prefix(prefixes);
        let mut inner = ResourceMap::new(prefix.clone());
        inner.add(&mut ResourceDef::new("/z"), None);
        let mut map = ResourceMap::new(ResourceDef::prefix(""));
        map.add(&mut prefix, Some(Rc::new(inner)));
        let index = RouteIndex::from_description(&RouteIndex::describe(&map)).expect("readable");
        for path in ["/a/z", "/a/b/z", "/b/z", "/a/b/c/z", "/z"] {
            let found = index.find(path).is_some();
            assert_eq!(found, map.has_resource(path), "{path} of {prefixes:?}");
        }
    }
}

#[test]
fn a_caller_can_refuse_as_a_guard_does() {
    let index = index_of(|config| {
        config
            .service(resource("/{id}"))
            .service(
                web::scope("/in")
                    .service(resource("/{id}"))
                    .service(resource("/x")),
            )
            .service(resource("/in/{last}"))
            .service(resource("/login"));
    });
    let refusing = |path: &str, refused: &[&str]| {
        let patterns: Vec<&str> = index.patterns().collect();
        let accept = |id: super::PatternId| !refused.contains(&patterns[id.index()]);
        index
            .find_where(path, accept)
            .map(|id| patterns[id.index()])
    };
    assert_eq!(refusing("/login", &[]), Some("/{id}"));
    assert_eq!(refusing("/login", &["/{id}"]), Some("/login"));
    assert_eq!(refusing("/login", &["/{id}", "/login"]), None);
    assert_eq!(refusing("/in/x", &["/in/{id}"]), Some("/in/x"));
    assert_eq!(
        refusing("/in/x", &["/in/{id}", "/in/x"]),
        Some("/in/{last}")
    );
    // Nothing was refused here: the scope matched, so its default service answers.
    assert_eq!(refusing("/in/x/y", &["/in/{id}"]), None);
}

#[test]
fn a_thousand_routes_are_enumerated_and_found() {
    let patterns: Vec<String> = (0..1_000)
        .map(|n| match n % 4 {
            0 => format!("/resource{n}"),
            1 => format!("/resource{n}/{{id}}"),
            2 => format!("/resource{n}/{{id:\\d+}}/x"),
            _ => format!("/common/{{id}}/part{n}"),
        })
        .collect();
    let index = index_of(|config| {
        for pattern in &patterns {
            config.service(resource(pattern));
        }
    });
    assert!(index.patterns().eq(patterns.iter().map(String::as_str)));
    for pattern in &patterns {
        let path = pattern.replace("{id}", "7").replace("{id:\\d+}", "7");
        assert_eq!(find(&index, &path), Some(pattern.as_str()));
        assert_eq!(find(&index, &format!("{path}/more")), None);
    }
}

#[test]
fn damaged_descriptions_are_errors() {
    let mut text = String::new();
    with_map(
        |config| {
            config
                .service(web::scope("/{é}").service(resource("/a\"\\{b:[}{]?}").name("named")))
                .service(web::resource(["/x", "/y"]).to(HttpResponse::Ok));
        },
        |map| text = format!("{map:?}"),
    );
    let read = |text: &str| RouteIndex::from_description(&Description::from_text(text.to_owned()));
    assert!(read(&text).is_ok());
    for (at, _) in text.char_indices() {
        assert!(read(&text[..at]).is_err(), "cut at {at}");
    }
    for (known, other) in [
        ("is_prefix: true", "is_prefix: maybe"),
        ("is_prefix", "is_suffix"),
        ("nodes: Some", "nodes: Many"),
        ("Single", "Double"),
        (" }, named: ", ", guards: [] }, named: "),
        ("patterns: Single(\"\")", "patterns: Single(\"/app\")"),
    ] {
        assert!(text.contains(known), "{known} in {text}");
        let changed = text.replacen(known, other, 1);
        let error = read(&changed).expect_err(other);
        assert!(
            error.to_string().starts_with("expected "),
            "{other}: {error}"
        );
    }
    assert!(read(&format!("{text} ")).is_err());
    assert!(read("").is_err());
}

#[test]
fn too_deep_scopes_are_an_error() {
    let level = "ResourceMap { pattern: ResourceDef { id: 0, name: None, patterns: Single(\"\"), \
                 is_prefix: true, pat_type: Static(\"\"), segments: [] }, named: {}, parent: x, \
                 nodes: Some([";
    let text = level.repeat(10_000);
    let error = RouteIndex::from_description(&Description::from_text(text));
    assert!(matches!(error, Err(EnumerateError::TooDeep { .. })));
}

#[test]
fn of_learned_patterns_the_most_specific_wins() {
    let index = learned(&[
        "/{rest}*",
        "/users/{id}",
        "/users/{id:\\d+}",
        "/users/me",
        "/{a}/{b}",
        "/users/me",
        "/a/{id:\\d+}/b/{id}",
    ]);
    assert_eq!(index.len(), 6);
    assert!(!index.is_complete());
    for (path, expected) in [
        ("/users/me", Some("/users/me")),
        ("/users/7", Some("/users/{id:\\d+}")),
        ("/users/x", Some("/users/{id}")),
        ("/other/x", Some("/{a}/{b}")),
        ("/a/7/b/x", Some("/a/{id:\\d+}/b/{id}")),
        ("/a/x/b/x", Some("/{rest}*")),
    ] {
        assert_eq!(find(&index, path), expected, "{path}");
    }
}

#[test]
fn learned_patterns_that_actix_would_refuse_match_nothing() {
    let seventeen: String = (0..17).map(|n| format!("/x{{p{n}}}")).collect();
    let patterns = [
        "/a/{",
        "/a/{x:(}",
        "/a/{x:\\d}*",
        &seventeen,
        "no slash",
        "/ok",
    ];
    let index = learned(&patterns);
    assert!(index.patterns().eq(patterns));
    assert_eq!(find(&index, "/ok"), Some("/ok"));
    assert_eq!(find(&index, &"/x1".repeat(17)), None);
    for path in ["/a/{", "/a/(", "/a/1", "/a/1*", "no slash"] {
        assert_eq!(find(&index, path), None, "{path}");
    }
}

#[test]
fn without_patterns_nothing_is_found() {
    let index = learned(&[]);
    assert_eq!(index.len(), 0);
    assert_eq!(find(&index, "/"), None);
    let uri = Uri::from_static("/a%20b");
    assert_eq!(index.find_uri(&uri), None);
}
