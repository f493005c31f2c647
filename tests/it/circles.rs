//! No circle of files: what a file is built on does not know it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Files by their module path, each with those that it names.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// What a crate's files contain, by their module path; without comments and tests.
fn files(folder: &Path, module: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let join = |name: &str| [module, name].join("::").trim_matches(':').to_owned();
        if path.is_dir() {
            files(&path, &join(&name), found);
        } else if path.extension().is_some_and(|ext| ext == "rs") && !name.ends_with("tests") {
            let text = fs::read_to_string(&path).expect("a text file");
            let shipped = text.split("#[cfg(test)]\nmod tests {").next();
            let lines = shipped.unwrap_or_default().lines();
            let code: Vec<&str> = lines
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            let module = match &*name {
                "mod" => module.to_owned(),
                "lib" | "main" => String::new(),
                _ => join(&name),
            };
            found.insert(module, code.join("\n"));
        }
    }
}

/// The paths of a tree such as `a::{b, c::{d, e}}`.
fn paths(tree: &str) -> Vec<String> {
    let Some((before, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.trim().to_owned()];
    };
    let inner = inner.trim_end().trim_end_matches('}');
    let (mut all, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in inner.char_indices().chain([(inner.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 || at == inner.len() => {
                let piece = inner[start..at].trim();
                start = at + 1;
                if !piece.is_empty() {
                    let below = paths(piece);
                    all.extend(below.iter().map(|path| format!("{}{path}", before.trim())));
                }
            }
            _ => {}
        }
    }
    all
}

/// What a file names of its own crate, from the root.
fn named(module: &str, code: &str) -> Vec<Vec<String>> {
    let uses = code.split("use ").skip(1);
    let uses = uses.flat_map(|rest| paths(rest.split(';').next().unwrap_or_default()));
    let inline = code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c)));
        format!("crate::{}", &rest[..end.unwrap_or(rest.len())])
    });
    let own: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let from_root = |path: String| {
        let mut base = own.clone();
        let mut parts = path.split("::").peekable();
        match parts.next()? {
            "crate" => base.clear(),
            "self" => {}
            "super" => drop(base.pop()),
            _ => return None,
        }
        while parts.next_if_eq(&"super").is_some() {
            base.pop();
        }
        Some(base.into_iter().chain(parts).map(str::to_owned).collect())
    };
    uses.chain(inline).filter_map(from_root).collect()
}

fn arrows_of(folder: &str) -> Arrows {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let mut code = BTreeMap::new();
    files(&root, "", &mut code);
    assert!(code.len() > 5, "few files in {folder}");
    let exported = named("", code.get("").map_or("", String::as_str));
    let file_of = |path: &[String]| {
        let ways = (1..=path.len())
            .rev()
            .map(|length| path[..length].join("::"));
        ways.into_iter().find(|way| code.contains_key(way))
    };
    let resolve = |path: Vec<String>| {
        let by_root = || {
            let name = path.first()?;
            let from = exported
                .iter()
                .find(|it| it.len() > 1 && it.last() == Some(name))?;
            file_of(from)
        };
        file_of(&path).or_else(by_root)
    };
    let of = |(module, code): (&String, &String)| {
        let to = named(module, code).into_iter().filter_map(resolve);
        (module.clone(), to.filter(|to| to != module).collect())
    };
    code.iter()
        .filter(|(module, _)| !module.is_empty())
        .map(of)
        .collect()
}

/// Leaves those files that are in circles, or between two.
fn circles(mut arrows: Arrows) -> Arrows {
    loop {
        let before = arrows.len();
        let left: BTreeSet<String> = arrows.keys().cloned().collect();
        let met: BTreeSet<String> = arrows.values().flatten().cloned().collect();
        arrows.retain(|file, to| {
            to.retain(|to| left.contains(to));
            !to.is_empty() && met.contains(file)
        });
        if arrows.len() == before {
            return arrows;
        }
    }
}

#[test]
fn no_circle_of_files_is_in_the_adapters_but_for_the_live_page() {
    let mut arrows = arrows_of("middleware/actix/src");
    for (from, to) in [
        ("loop_side::run", "loop_side::pace"),
        ("hop::body", "hop::stream"),
        ("app_routes", "app_routes::published"),
        ("wrap", "offload"),
    ] {
        assert!(arrows[from].contains(to), "{from}: {:?}", arrows[from]);
    }
    // The page's hub knows the core that has it.
    arrows.retain(|file, _| !file.starts_with("live") && !file.contains("simulation"));
    let found = circles(arrows);
    assert!(found.is_empty(), "{found:#?}");

    let arrows = arrows_of("middleware/tower/src");
    assert!(arrows["layer"].contains("future"), "{:?}", arrows["layer"]);
    let found = circles(arrows);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_circle_is_found() {
    let tree = paths("crate::{a::{b, c as d}, e}");
    assert_eq!(tree, ["crate::a::b", "crate::a::c", "crate::e"]);
    let to = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let arrows: Arrows = [
        ("a".to_owned(), to(&["b"])),
        ("b".to_owned(), to(&["c", "d"])),
        ("c".to_owned(), to(&["b"])),
        ("d".to_owned(), to(&[])),
    ]
    .into();
    let left: Vec<String> = circles(arrows).into_keys().collect();
    assert_eq!(left, ["b", "c"]);
}
