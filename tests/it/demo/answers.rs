//! Each route answers as the contract describes.

use serde_json::{Value, json};

use super::{in_both_modes, text};

#[test]
fn the_light_route_names_itself_its_process_and_its_worker() {
    in_both_modes(|demo| {
        // Often enough that it may change its place.
        for _ in 0..20 {
            let home = demo.get("/");
            assert_eq!(
                home.header("content-type"),
                Some("text/plain; charset=utf-8")
            );
            let text = text(&home);
            let [title, process, place] = text.lines().collect::<Vec<_>>()[..] else {
                panic!("{demo} {text}");
            };
            assert_eq!(title, "Performance Example");
            assert_eq!(process, format!("process {}", std::process::id()));
            let on_lane = demo.offload.is_some() && place.starts_with("lane short-");
            assert!(on_lane || place == "worker 0", "{demo} {place}");
        }
    });
}

#[test]
fn the_light_route_answers_head_too() {
    in_both_modes(|demo| {
        let head = demo.client().ask("HEAD", "/", &[], b"").expect("an answer");
        assert_eq!(head.status(), 200, "{demo}");
        assert!(head.body.is_empty(), "{demo}");
    });
}

#[test]
fn timers_ring() {
    in_both_modes(|demo| {
        for target in [
            "/timer?ms=3",
            "/inline/timer?ms=3",
            "/block/timer?ms=0&unknown=field",
        ] {
            let answer = demo.get(target);
            assert_eq!(answer.status(), 200, "{demo} {target}");
            assert_eq!(text(&answer), "Ding Ding Ding", "{demo} {target}");
        }
    });
}

#[test]
fn burning_costs_what_was_asked_for() {
    in_both_modes(|demo| {
        for target in ["/burn?ms=5", "/inline/burn?ms=5", "/block/burn?ms=5"] {
            let burned = &demo.get_json(target)["burned_ms"];
            assert!(burned.as_f64() >= Some(5.0), "{demo} {target}: {burned}");
        }
    });
}

#[test]
fn records_are_the_same_on_every_way_to_make_them() {
    in_both_modes(|demo| {
        for (items, expected) in [(0, 0), (3, 3), (2000, 2000)] {
            let records = demo.get_json(&format!("/json/stringify?items={items}"));
            assert_eq!(records.as_array().map(Vec::len), Some(expected), "{demo}");
            for way in ["/inline", "/block"] {
                let other = demo.get_json(&format!("{way}/json/stringify?items={items}"));
                assert_eq!(other, records, "{demo} {way}");
            }
        }
        let first = &demo.get_json("/json/stringify?items=1")[0];
        assert_eq!(
            *first,
            json!({ "id": 0, "name": "north", "score": 0.0, "active": true }),
            "{demo}"
        );
    });
}

#[test]
fn any_json_is_measured() {
    in_both_modes(|demo| {
        for (body, depth, values) in [
            ("null", 0, 1),
            (" [ ] ", 1, 1),
            (r#"{"a": [1, 2, {"b": "c"}]}"#, 3, 6),
            (r#"["\ud83d\ude00", -1.5e-3, true]"#, 1, 4),
        ] {
            let expected = json!({ "bytes": body.len(), "depth": depth, "values": values });
            assert_eq!(
                demo.post_json("/json/parse", body),
                expected,
                "{demo} {body}"
            );
        }
        let long = format!("[{}0]", "0,".repeat(299_999));
        let expected = json!({ "bytes": long.len(), "depth": 1, "values": 300_001 });
        assert_eq!(demo.post_json("/json/parse", &long), expected, "{demo}");
    });
}

#[test]
fn json_by_another_name_is_taken_too() {
    in_both_modes(|demo| {
        for name in [
            "application/json; charset=utf-8",
            "application/problem+json",
        ] {
            let content_type = format!("Content-Type: {name}");
            for target in ["/json/parse", "/sort"] {
                let answer = demo
                    .client()
                    .ask("POST", target, &[&content_type], b"[2, 1]")
                    .expect("an answer");
                assert_eq!(answer.status(), 200, "{demo} {target} {name}");
            }
        }
    });
}

#[test]
fn given_numbers_come_back_sorted_and_exact() {
    in_both_modes(|demo| {
        for (given, sorted) in [
            ("[]", "[]"),
            ("[3,1,2]", "[1,2,3]"),
            (
                "[2.5,-1,18446744073709551615,-9223372036854775808,0.1]",
                "[-9223372036854775808,-1,0.1,2.5,18446744073709551615]",
            ),
            (
                "[9007199254740993,9007199254740992.0]",
                "[9007199254740992.0,9007199254740993]",
            ),
        ] {
            let answer = demo.client().post_json("/sort", given).expect("an answer");
            assert_eq!(answer.status(), 200, "{demo} {given}");
            assert_eq!(text(&answer), sorted, "{demo} {given}");
        }
    });
}

#[test]
fn seeded_numbers_sort_the_same_everywhere() {
    let mut digests = std::collections::BTreeSet::new();
    for mode in [super::Mode::Off, super::Mode::Auto] {
        let demo = super::Running::start(mode);
        for way in ["", "/inline", "/block"] {
            let sorted = demo.get_json(&format!("{way}/sort?n=50000&seed=7"));
            assert_eq!(sorted["n"], 50_000, "{demo} {way}");
            assert!(
                sorted["min"].as_u64() < sorted["max"].as_u64(),
                "{demo} {sorted}"
            );
            let digest = sorted["sha256"].as_str().expect("a digest").to_owned();
            assert_eq!(digest.len(), 64, "{demo} {digest}");
            digests.insert(digest);
        }
        let other_seed = demo.get_json("/sort?n=50000&seed=8");
        assert!(!digests.contains(other_seed["sha256"].as_str().expect("a digest")));
        let nothing = demo.get_json("/sort?n=0&seed=7");
        assert_eq!(nothing["min"], Value::Null, "{demo}");
        assert_eq!(nothing["sha256"], SHA256_OF_NOTHING, "{demo}");
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
}

const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_password_belongs_to_its_hash_only() {
    in_both_modes(|demo| {
        let hash_by = |way: &str, password: &str| {
            let body = json!({ "password": password }).to_string();
            let phc = demo.post_json(&format!("{way}/hash"), &body)["phc"].clone();
            phc.as_str().expect("a hash").to_owned()
        };
        let hash = |password| hash_by("", password);
        let verify = |password: &str, phc: &str| {
            let body = json!({ "password": password, "phc": phc }).to_string();
            demo.post_json("/verify", &body)
        };
        let phc = hash("correct horse");
        assert!(
            phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{demo} {phc}"
        );
        assert_ne!(phc, hash("correct horse"), "{demo}: the salt must differ");
        assert_eq!(
            verify("correct horse", &phc),
            json!({ "ok": true }),
            "{demo}"
        );
        assert_eq!(
            verify("battery staple", &phc),
            json!({ "ok": false }),
            "{demo}"
        );
        for way in ["/inline", "/block"] {
            let phc = hash_by(way, "correct horse");
            assert_eq!(
                verify("correct horse", &phc),
                json!({ "ok": true }),
                "{demo} {way}"
            );
        }
    });
}

#[test]
fn digests_are_those_of_the_standard() {
    in_both_modes(|demo| {
        let million = vec![b'a'; 1_000_000];
        let table: [(&[u8], &str); 3] = [
            (b"", SHA256_OF_NOTHING),
            (
                b"abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                &million,
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ),
        ];
        for (body, sha256) in table {
            let expected = json!({ "bytes": body.len(), "sha256": sha256 });
            let sized = demo
                .client()
                .ask("POST", "/digest", &[], body)
                .expect("an answer");
            assert_eq!(demo.json_of("/digest", &sized), expected, "{demo}");
            let chunks: Vec<&[u8]> = body.chunks(70_001).collect();
            let chunked = demo
                .client()
                .ask_in_chunks("POST", "/digest", &[], &chunks)
                .expect("an answer");
            assert_eq!(
                demo.json_of("/digest", &chunked),
                expected,
                "{demo} in chunks"
            );
        }
    });
}
