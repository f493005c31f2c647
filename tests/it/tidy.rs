//! The rules that keep the crates apart, stated as absences and checked against cargo's own metadata.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(vec!["--locked".into()])
        .exec()
        .expect("cargo metadata")
}

/// All that a package needs in normal use, transitively, by name.
fn needs(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<&PackageId, _> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = &metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == name)
        .unwrap_or_else(|| panic!("{name} is no member"))
        .id;
    let mut open = vec![start];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        for dep in &nodes[id].deps {
            let normal = dep.dep_kinds.iter().any(|kind| {
                kind.kind == DependencyKind::Normal
                    && !kind
                        .target
                        .as_ref()
                        .is_some_and(|target| target.to_string().contains("loom"))
            });
            if normal && seen.insert(&dep.pkg) {
                open.push(&dep.pkg);
            }
        }
    }
    seen.into_iter()
        .map(|id| metadata[id].name.to_string())
        .collect()
}

#[test]
fn the_core_and_what_adapters_share_know_no_runtime_and_no_framework() {
    for (package, known) in [
        ("offload-backtrace", "gimli"),
        ("offload-core", "rayon"),
        ("offload-http", "rayon"),
    ] {
        let needs = needs(&metadata(), package);
        assert!(needs.contains(known), "the walk found nothing: {needs:?}");
        for name in [
            "tokio",
            "actix-web",
            "actix-http",
            "actix-rt",
            "axum",
            "hyper",
            "http",
            "tower-service",
            "prometheus",
        ] {
            assert!(!needs.contains(name), "{package} depends on {name}");
        }
    }
}

#[test]
fn arrows_between_the_crates_go_one_way() {
    let metadata = metadata();
    let order = [
        "offload-backtrace",
        "offload-core",
        "offload-macros",
        "offload-http",
        "actix-offload",
        "demo-app",
    ];
    for (at, name) in order.iter().enumerate() {
        let needs = needs(&metadata, name);
        for above in &order[at + 1..] {
            let macros_beside_core = *above == "offload-macros";
            assert!(
                !needs.contains(*above) || macros_beside_core && *name != "offload-core",
                "{name} depends on {above}",
            );
        }
    }
}

#[test]
fn the_demo_reaches_only_through_the_plugin() {
    let metadata = metadata();
    let demo = metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == "demo-app")
        .expect("a member");
    let direct: Vec<_> = demo
        .dependencies
        .iter()
        .filter(|dep| dep.kind == DependencyKind::Normal)
        .map(|dep| dep.name.as_str())
        .collect();
    assert!(direct.contains(&"actix-offload"), "{direct:?}");
    for name in ["offload-backtrace", "offload-core", "offload-macros"] {
        assert!(!direct.contains(&name), "demo-app depends on {name}");
    }
}

/// The Rust files of a folder, with their text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut open = vec![
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(folder),
    ];
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(&path).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).expect("a text file");
                files.push((path.display().to_string(), text));
            }
        }
    }
    assert!(!files.is_empty(), "no sources in {folder}");
    files
}

const LIBRARIES: [&str; 6] = [
    "framework/backtrace/src",
    "framework/src",
    "framework/http/src",
    "framework/macros/src",
    "middleware/actix/src",
    "middleware/tower/src",
];

/// Where system calls need it.
const MAY_BE_UNSAFE: [&str; 2] = ["framework/backtrace/src/linux/", "framework/src/os/"];

/// The one place where a library reads the environment: one variable, for `OffloadBuilder::env`, which the application has to
/// call. Operators switch the plugin off where no new build can be had, and each application would write the same lines.
const READS_THE_ENVIRONMENT: &str = "framework/http/src/mode.rs";

/// Asserts that the code that is shipped uses none of the words; tests and examples may.
fn assert_absent(folder: &str, words: &[&str]) {
    let tests = ["tests.rs", "model.rs", "properties.rs"];
    for (path, text) in sources(folder) {
        let reads = path.ends_with(READS_THE_ENVIRONMENT) && !words.contains(&"std::fs");
        if reads || tests.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let shipped = text.split("#[cfg(all(test").next().unwrap_or_default();
        let shipped = shipped
            .split("#[cfg(test)]\nmod ")
            .next()
            .unwrap_or_default();
        let code = shipped
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code: Vec<&str> = code.collect();
        for word in words {
            let used = code.iter().any(|line| line.contains(word));
            assert!(!used, "{path} uses {word}");
        }
    }
}

#[test]
fn no_library_reads_the_environment_or_starts_a_raw_thread() {
    for folder in LIBRARIES {
        assert_absent(folder, &["std::env", "{env,", "env::var", "thread::spawn("]);
    }
    let files = LIBRARIES.map(sources).concat();
    let reader = |(path, _): &&(String, String)| path.ends_with(READS_THE_ENVIRONMENT);
    let (_, text) = files.iter().find(reader).expect("the reader");
    assert_eq!(text.matches("env::var").count(), 1, "it reads one variable");
    assert!(
        text.contains("env::var_os(VARIABLE)") && text.contains("VARIABLE: &str = \"OFFLOAD\"")
    );
    let callers = files
        .iter()
        .filter(|(_, text)| text.contains("mode::from_environment"));
    let callers: Vec<_> = callers.map(|(path, _)| path).collect();
    assert!(
        callers
            .iter()
            .all(|path| path.ends_with("framework/http/src/builder.rs"))
            && callers.len() == 1,
        "nobody but the builder's step asks for it: {callers:?}"
    );
}

#[test]
fn unsafe_code_is_where_system_calls_need_it() {
    let mut found = [false; MAY_BE_UNSAFE.len()];
    for (path, text) in LIBRARIES.map(sources).concat() {
        let is_unsafe = text.contains("unsafe {") || text.contains("unsafe fn");
        let place = MAY_BE_UNSAFE.iter().position(|place| path.contains(place));
        match place {
            Some(place) => found[place] |= is_unsafe,
            None => assert!(!is_unsafe, "{path} has unsafe code"),
        }
    }
    assert_eq!(found, [true; 2], "these need none any more");
}

#[test]
fn the_macros_read_no_files_and_no_time() {
    assert_absent(
        "framework/macros/src",
        &["std::fs", "std::time", "std::io", "include_"],
    );
}

#[test]
fn every_module_says_first_why_it_exists() {
    let others = ["demo-app/src", "benches", "tests/src", "tests/it"];
    for folder in LIBRARIES.into_iter().chain(others) {
        for (path, text) in sources(folder) {
            let begins = ["//!", "#![doc = include_str!("]
                .iter()
                .any(|doc| text.starts_with(doc));
            assert!(begins, "{path} does not begin with its reason");
        }
    }
}
