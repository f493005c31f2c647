//! Bad input gets an error that names the field, and harms nobody else.

use offload_tests::response::RawResponse;

use super::{Running, in_both_modes, parse, text};

/// Checks an answer against what it must say.
fn assert_refused(
    demo: &Running,
    asked: &str,
    answer: &RawResponse,
    status: u16,
    field: &str,
    words: &str,
) {
    let said = text(answer);
    assert_eq!(answer.status(), status, "{demo} {asked}: {said}");
    let content_type = answer.header("content-type");
    assert_eq!(content_type, Some("application/json"), "{demo} {asked}");
    let error = &parse(answer)["error"];
    assert_eq!(error["field"], field, "{demo} {asked}: {said}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(words), "{demo} {asked}: {said}");
}

#[test]
fn queries_out_of_bounds_name_their_field() {
    let ways = ["", "/inline", "/block"];
    let cases = [
        ("/timer?ms=60001", "ms", "0 to 60000"),
        ("/timer?ms=-1", "ms", "`-1`"),
        ("/timer?ms=soon", "ms", "`soon`"),
        ("/timer?ms=", "ms", "``"),
        ("/timer?ms=1.5", "ms", "`1.5`"),
        ("/timer?ms=%00", "ms", "whole number"),
        ("/timer?ms=1&ms=2", "query", "`ms`"),
        ("/burn?ms=1000000000000", "ms", "0 to 60000"),
        ("/burn?ms=NaN", "ms", "`NaN`"),
        ("/json/stringify?items=5000001", "items", "0 to 5000000"),
        ("/json/stringify?items=all", "items", "`all`"),
        ("/json/stringify?items=-5", "items", "`-5`"),
        ("/sort?n=1000000000000", "n", "0 to 50000000"),
        ("/sort?n=99999999999999999999999999", "n", "0 to 50000000"),
        ("/sort?n=many", "n", "`many`"),
        ("/sort?n=10&seed=-1", "seed", "`-1`"),
        (
            "/sort?n=10&seed=18446744073709551616",
            "seed",
            "18446744073709551615",
        ),
    ];
    in_both_modes(|demo| {
        for (target, field, words) in cases {
            for way in ways {
                let target = format!("{way}{target}");
                let answer = demo.get(&target);
                assert_refused(demo, &target, &answer, 400, field, words);
            }
        }
    });
}

#[test]
fn bodies_that_are_not_as_expected_say_where() {
    let deep = "[".repeat(200);
    let long_password = format!(r#"{{"password": "{}"}}"#, "x".repeat(1025));
    let phc = "c29tZXNhbHRzb21lc2FsdA$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A";
    let verify = |phc: &str| format!(r#"{{"password": "x", "phc": "{phc}"}}"#);
    let greedy = verify(&format!("$argon2id$v=19$m=4194304,t=1,p=1${phc}"));
    let endless = verify(&format!("$argon2id$v=19$m=1024,t=4294967295,p=1${phc}"));
    let other = verify(&format!("$pbkdf2$i=1${phc}"));
    let cases = [
        (
            "/json/parse",
            "",
            "body",
            "EOF while parsing a value at line 1 column 0",
        ),
        ("/json/parse", "{\n  \"a\": }", "body", "line 2 column 8"),
        (
            "/json/parse",
            "[1] [2]",
            "body",
            "trailing characters at line 1 column 5",
        ),
        ("/json/parse", &deep, "body", "recursion limit exceeded"),
        ("/sort", "[1, 2", "body", "line 1 column 5"),
        (
            "/sort",
            "[1, 2, \"x\"]",
            "body",
            "element 2: invalid type: string \"x\"",
        ),
        ("/sort", "[[1]]", "body", "element 0"),
        (
            "/sort",
            "{\"n\": 1}",
            "body",
            "expected an array of numbers",
        ),
        ("/hash", "{\"password\": \"x\"", "body", "line 1 column 16"),
        ("/hash", "\"x\"", "body", "invalid type"),
        ("/hash", "{}", "password", "must be given"),
        ("/hash", "{\"password\": 5}", "password", "a string"),
        ("/hash", "{\"password\": null}", "password", "a string"),
        (
            "/hash",
            "{\"password\": \"\"}",
            "password",
            "from 1 to 1024 bytes",
        ),
        ("/hash", &long_password, "password", "not 1025"),
        ("/inline/hash", "{}", "password", "must be given"),
        ("/inline/hash", &long_password, "password", "not 1025"),
        ("/block/hash", "{}", "password", "must be given"),
        ("/block/hash", &long_password, "password", "not 1025"),
        ("/verify", "{\"phc\": \"x\"}", "password", "must be given"),
        ("/verify", "{\"password\": \"x\"}", "phc", "must be given"),
        ("/verify", &verify("plain text"), "phc", "PHC format"),
        ("/verify", &other, "phc", "unsupported algorithm"),
        ("/verify", &greedy, "phc", "too much"),
        ("/verify", &endless, "phc", "too much"),
    ];
    in_both_modes(|demo| {
        for (target, body, field, words) in cases {
            let answer = demo.client().post_json(target, body).expect("an answer");
            let asked = format!("{target} {body:.60}");
            assert_refused(demo, &asked, &answer, 400, field, words);
        }
    });
}

#[test]
fn bodies_that_do_not_say_json_are_refused() {
    in_both_modes(|demo| {
        for target in [
            "/json/parse",
            "/sort",
            "/hash",
            "/verify",
            "/inline/hash",
            "/block/hash",
        ] {
            let headers: [&[&str]; 3] = [
                &[],
                &["Content-Type: text/plain"],
                &["Content-Type: application/x-www-form-urlencoded"],
            ];
            for headers in headers {
                let answer = demo.client().ask("POST", target, headers, b"[1]");
                let answer = answer.expect("an answer");
                let asked = format!("{target} {headers:?}");
                assert_refused(
                    demo,
                    &asked,
                    &answer,
                    415,
                    "content-type",
                    "application/json",
                );
            }
        }
    });
}

#[test]
fn other_methods_are_told_the_right_ones() {
    let cases = [
        ("POST", "/", "GET, HEAD"),
        ("POST", "/timer", "GET"),
        ("DELETE", "/burn", "GET"),
        ("PUT", "/json/stringify", "GET"),
        ("GET", "/json/parse", "POST"),
        ("PATCH", "/sort", "GET, POST"),
        ("GET", "/hash", "POST"),
        ("GET", "/verify", "POST"),
        ("GET", "/digest", "POST"),
        ("POST", "/inline/sort", "GET"),
        ("OPTIONS", "/block/timer", "GET"),
        ("POST", "/_offload/routes", "GET, HEAD"),
        ("GET", "/inline/hash", "POST"),
        ("GET", "/block/hash", "POST"),
        ("POST", "/metrics", "GET, HEAD"),
        ("POST", "/lab", "GET, HEAD"),
        ("PUT", "/lab/lab.js", "GET, HEAD"),
        ("DELETE", "/lab/setup", "GET, HEAD"),
    ];
    in_both_modes(|demo| {
        for (method, target, allowed) in cases {
            let answer = demo
                .client()
                .ask(method, target, &[], b"")
                .expect("an answer");
            let asked = format!("{method} {target}");
            assert_refused(demo, &asked, &answer, 405, "method", allowed);
            assert_eq!(answer.header("allow"), Some(allowed), "{demo} {asked}");
        }
    });
}

#[test]
fn unknown_paths_lead_nowhere() {
    in_both_modes(|demo| {
        for target in [
            "/nothing",
            "/timer/",
            "/inline",
            "/inline/digest",
            "/lab/",
            "/lab/nothing",
            "/%ff",
            "//",
        ] {
            let answer = demo.get(target);
            assert_refused(demo, target, &answer, 404, "path", "nowhere");
        }
        let answer = demo
            .client()
            .ask("BREW", "/coffee", &[], b"")
            .expect("an answer");
        assert_refused(demo, "BREW", &answer, 404, "path", "nowhere");
    });
}
