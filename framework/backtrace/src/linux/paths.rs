//! Which part of a source file's path is worth showing.
//!
//! Compilers note absolute paths, which say where the program was built: too long for a line of a report, and nobody's
//! business. What is kept begins with the folder of the crate: `demo-app/src/main.rs`, `core/src/ops/function.rs`.

/// The folders that a crate keeps its code in.
const CODE: [&str; 4] = ["src", "tests", "examples", "benches"];

/// From the folder of the crate on, or the file's name and folder if that can't be told.
pub(super) fn shortened(path: &str) -> String {
    let parts: Vec<&str> = path
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    // The file itself is the last.
    let folders = parts.len().saturating_sub(1);
    let code = parts[..folders]
        .iter()
        .rposition(|part| *part == "src")
        .or_else(|| {
            parts[..folders]
                .iter()
                .rposition(|part| CODE.contains(part))
        });
    let from = match code {
        Some(code) => code.saturating_sub(1),
        None => folders.saturating_sub(1),
    };
    let relative = !path.starts_with('/');
    let from = if relative {
        from
    } else {
        from.max(home(&parts))
    };
    parts[from.min(folders)..].join("/")
}

/// How many of the first folders are somebody's home.
fn home(parts: &[&str]) -> usize {
    match parts {
        ["home" | "Users", _, ..] => 2,
        ["root", ..] => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn what_is_kept_begins_with_the_crate() {
        let table = [
            ("/home/me/code/shop/src/main.rs", "shop/src/main.rs"),
            (
                "/home/me/src/shop/demo-app/src/handlers/timer.rs",
                "demo-app/src/handlers/timer.rs",
            ),
            (
                "/home/me/.cargo/registry/src/an-index/actix-web-4.18.0/src/app.rs",
                "actix-web-4.18.0/src/app.rs",
            ),
            (
                "/rustc/59807616e1/library/core/src/ops/function.rs",
                "core/src/ops/function.rs",
            ),
            ("/srv/shop/cart/tests/it/main.rs", "cart/tests/it/main.rs"),
            ("demo-app/src/main.rs", "demo-app/src/main.rs"),
            ("src/main.rs", "src/main.rs"),
            ("./nptl/pthread_create.c", "nptl/pthread_create.c"),
            ("/home/me/src/main.rs", "src/main.rs"),
            ("/home/me/main.rs", "main.rs"),
            ("main.rs", "main.rs"),
            ("", ""),
            ("/", ""),
        ];
        for (path, expected) in table {
            assert_eq!(shortened(path), expected, "{path}");
        }
        let of_the_administrator = ["", "root", "main.rs"].join("/");
        assert_eq!(shortened(&of_the_administrator), "main.rs");
    }
}
