//! Clients make up paths; the report knows only methods that a service has answered.

use tonic::{Code, Request, Status};
use tower_offload::Mode;

use crate::{
    client::Client,
    server::{Served, single, with},
};

/// Asks for 400 methods that are none, and for one that is.
fn ask_for_what_is_not_there(expected: Code, ask: impl Fn(&Client, &str) -> Status) {
    for mode in [Mode::Lane, Mode::Auto, Mode::Loop] {
        let offload = with(single()).mode(mode).build().expect("settings");
        let served = Served::under(&offload);
        let client = Client::new(served.addr);
        client.one("Echo", b"x").expect("an answer");
        for number in 0..400 {
            let status = ask(&client, &format!("MadeUp{number}"));
            assert_eq!(status.code(), expected, "{mode}: {status:?}");
        }
        let routes = offload.report().routes;
        let mut patterns: Vec<_> = routes.iter().map(|route| &*route.pattern).collect();
        patterns.retain(|pattern| *pattern != "(unmatched)");
        assert_eq!(patterns, ["/test.Work/Echo"], "{mode}");
    }
}

#[test]
fn made_up_methods_are_unimplemented_and_no_routes() {
    ask_for_what_is_not_there(Code::Unimplemented, |client, method| {
        client.one(method, b"x").expect_err("there is none")
    });
}

#[test]
fn made_up_services_are_unimplemented_and_no_routes() {
    ask_for_what_is_not_there(Code::Unimplemented, |client, service| {
        let path = format!("/{service}/Echo");
        client.one(&path, b"x").expect_err("there is none")
    });
}

/// An interceptor answers before anybody looks for the method.
#[test]
fn what_strangers_make_up_is_no_route() {
    ask_for_what_is_not_there(Code::Unauthenticated, |client, method| {
        let mut request = Request::new(Vec::new());
        let yes = "yes".parse().expect("plain");
        request.metadata_mut().insert("x-stranger", yes);
        let answered = client.wait(client.begin_with(method, request));
        answered.expect("no panic").expect_err("is not let in")
    });
}
