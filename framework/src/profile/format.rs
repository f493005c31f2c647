//! The text of a profile: JSON with a name and a version, read strictly and within bounds.

use std::{collections::HashSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Damage, KeptRoute, KeptVerdict, Profile};
use crate::{cost::SizeBucket, placement::Placement};

const FORMAT: &str = "offload-profile";
const VERSION: u64 = 1;

/// No file is read or written that is longer.
pub(super) const MAX_BYTES: usize = 16 << 20;
pub(super) const MAX_ROUTES: usize = 100_000;
pub(super) const MAX_METHOD: usize = 64;
pub(super) const MAX_PATTERN: usize = 4096;

/// What every version has, and nothing that a later one may drop.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: String,
    version: u64,
    budget_ns: u64,
    routes: Vec<RouteText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteText {
    app: u32,
    method: String,
    pattern: String,
    verdicts: Vec<VerdictText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerdictText {
    body_size: SizeBucket,
    placement: Placement,
    relapses: u8,
}

/// The text of a profile, without routes whose names no file may hold.
pub(super) fn write(profile: &Profile) -> Vec<u8> {
    let routes = profile.routes.iter().filter(|route| fits(route));
    let text = Text {
        format: FORMAT.to_owned(),
        version: VERSION,
        budget_ns: u64::try_from(profile.budget.as_nanos()).unwrap_or(u64::MAX),
        routes: routes.take(MAX_ROUTES).map(RouteText::from).collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&text)
        .expect("numbers, strings and lists of them always make a json text");
    bytes.push(b'\n');
    bytes
}

/// Reads what [`write()`] wrote: all of it or nothing.
pub(super) fn read(bytes: &[u8]) -> Result<Profile, Damage> {
    if bytes.len() > MAX_BYTES {
        return Err(Damage::Oversized);
    }
    let header: Header = serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            Damage::Foreign
        } else {
            let (line, column) = (error.line(), error.column());
            Damage::NotJson { line, column }
        }
    })?;
    if header.format != FORMAT {
        return Err(Damage::Foreign);
    }
    if header.version != VERSION {
        let (found, expected) = (header.version, VERSION);
        return Err(Damage::Version { found, expected });
    }
    let text: Text = serde_json::from_slice(bytes).map_err(|error| Damage::Content {
        line: error.line(),
        column: error.column(),
    })?;
    if text.routes.len() > MAX_ROUTES {
        return Err(Damage::TooManyRoutes);
    }
    let routes: Vec<_> = text.routes.into_iter().map(KeptRoute::from).collect();
    if !routes.iter().all(fits) {
        return Err(Damage::TooLong);
    }
    let mut names = HashSet::new();
    if !routes.iter().all(|route| names.insert(route.name())) || !routes.iter().all(sizes_differ) {
        return Err(Damage::Repeated);
    }
    Ok(Profile::new(Duration::from_nanos(text.budget_ns), routes))
}

fn fits(route: &KeptRoute) -> bool {
    route.method.len() <= MAX_METHOD && route.pattern.len() <= MAX_PATTERN
}

fn sizes_differ(route: &KeptRoute) -> bool {
    let mut met = [false; SizeBucket::COUNT];
    route
        .verdicts
        .iter()
        .all(|verdict| !std::mem::replace(&mut met[verdict.body_size.index()], true))
}

impl From<&KeptRoute> for RouteText {
    fn from(route: &KeptRoute) -> Self {
        let verdicts = route.verdicts.iter().map(|verdict| VerdictText {
            body_size: verdict.body_size,
            placement: verdict.placement,
            relapses: verdict.relapses,
        });
        Self {
            app: route.app,
            method: route.method.clone(),
            pattern: route.pattern.clone(),
            verdicts: verdicts.collect(),
        }
    }
}

impl From<RouteText> for KeptRoute {
    fn from(route: RouteText) -> Self {
        let verdicts = route.verdicts.into_iter().map(|verdict| KeptVerdict {
            body_size: verdict.body_size,
            placement: verdict.placement,
            relapses: verdict.relapses,
        });
        Self {
            app: route.app,
            method: route.method,
            pattern: route.pattern,
            verdicts: verdicts.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn profile() -> Profile {
        let verdict = |index: usize, placement, relapses| KeptVerdict {
            body_size: SizeBucket::all().nth(index).unwrap(),
            placement,
            relapses,
        };
        let route = |app, method: &str, pattern: &str, verdicts| KeptRoute {
            app,
            method: method.to_owned(),
            pattern: pattern.to_owned(),
            verdicts,
        };
        let routes = vec![
            route(
                70_000,
                "POST",
                "/sort \"quoted\" \u{e4}\n",
                vec![
                    verdict(1, Placement::Loop, 2),
                    verdict(7, Placement::Lane, 9),
                ],
            ),
            route(0, "GET", "/", vec![verdict(0, Placement::Loop, 0)]),
        ];
        Profile::new(Duration::from_micros(100), routes)
    }

    fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Profile, Damage> {
        let mut value: serde_json::Value = serde_json::from_slice(&write(&profile())).unwrap();
        change(&mut value);
        read(&serde_json::to_vec(&value).unwrap())
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&write(&profile())), Ok(profile()));
        assert_eq!(changed(|_| ()), Ok(profile()));
        let empty = Profile::new(Duration::from_millis(1), Vec::new());
        assert_eq!(read(&write(&empty)), Ok(empty));
    }

    #[test]
    fn a_text_that_is_cut_off_anywhere_is_refused() {
        let bytes = write(&profile());
        // The last byte is the line's end, which nothing depends on.
        for length in 0..bytes.len() - 1 {
            assert!(
                matches!(read(&bytes[..length]), Err(Damage::NotJson { .. })),
                "{length} bytes"
            );
        }
        assert_eq!(read(&bytes[..bytes.len() - 1]), Ok(profile()));
    }

    #[test]
    fn foreign_texts_are_told_from_damaged_ones() {
        for text in ["{}", "[]", "17", "null", r#"{"format":1,"version":1}"#] {
            assert_eq!(read(text.as_bytes()), Err(Damage::Foreign), "{text}");
        }
        assert_eq!(
            changed(|value| value["format"] = "another".into()),
            Err(Damage::Foreign)
        );
        for text in ["", "\u{0}", "profile", "{\"format\":", "\u{feff}{}"] {
            assert!(
                matches!(read(text.as_bytes()), Err(Damage::NotJson { .. })),
                "{text}"
            );
        }
        let mut doubled = write(&profile());
        doubled.extend(write(&profile()));
        assert!(matches!(read(&doubled), Err(Damage::NotJson { .. })));
    }

    #[test]
    fn another_version_is_named_even_if_its_content_is_unknown() {
        for found in [0, 2, u64::MAX] {
            let text = format!(r#"{{"format":"offload-profile","version":{found},"new":[]}}"#);
            let expected = VERSION;
            assert_eq!(
                read(text.as_bytes()),
                Err(Damage::Version { found, expected })
            );
        }
    }

    #[test]
    fn content_must_be_that_of_a_profile() {
        type Change = fn(&mut serde_json::Value);
        let changes: [Change; 6] = [
            |value| value["budget_ns"] = (-1).into(),
            |value| value["extra"] = 1.into(),
            |value| value["routes"][0]["app"] = (1_u64 << 32).into(),
            |value| value["routes"][0]["verdicts"][0]["body_size"] = "<=2KiB".into(),
            |value| value["routes"][0]["verdicts"][0]["placement"] = "moon".into(),
            |value| value["routes"][0]["verdicts"][0]["relapses"] = 256.into(),
        ];
        for change in changes {
            assert!(matches!(changed(change), Err(Damage::Content { .. })));
        }
    }

    #[test]
    fn names_and_numbers_are_bounded() {
        let long = |value: &mut serde_json::Value| {
            value["routes"][0]["pattern"] = "x".repeat(MAX_PATTERN + 1).into();
        };
        assert_eq!(changed(long), Err(Damage::TooLong));
        let twice = |value: &mut serde_json::Value| {
            value["routes"][1] = value["routes"][0].clone();
        };
        assert_eq!(changed(twice), Err(Damage::Repeated));
        let size_twice = |value: &mut serde_json::Value| {
            value["routes"][1]["verdicts"][1] = value["routes"][1]["verdicts"][0].clone();
        };
        assert_eq!(changed(size_twice), Err(Damage::Repeated));
        let many = |value: &mut serde_json::Value| {
            value["routes"] = (0..=MAX_ROUTES)
                .map(|_| serde_json::json!({"app": 0, "method": "", "pattern": "", "verdicts": []}))
                .collect();
        };
        assert_eq!(changed(many), Err(Damage::TooManyRoutes));
        assert_eq!(read(&vec![b' '; MAX_BYTES + 1]), Err(Damage::Oversized));
    }

    #[test]
    fn what_could_not_be_read_is_not_written() {
        let mut long = profile();
        long.routes[0].pattern = "x".repeat(MAX_PATTERN + 1);
        let read = read(&write(&long)).unwrap();
        assert_eq!(read.routes, long.routes[1..]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = write(&profile());
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = read(&bytes) {
                prop_assert_eq!(read.len(), 2, "all or nothing");
            }
        }
    }
}
