//! Servers of other frameworks and languages: which there are, what they need, and how each is built and started.
//!
//! Their apps are in `benches/peers`, each with the settings that its own documentation advises.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A server that is no part of this program.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its folder under `benches/peers`, in which its commands run.
    folder: &'static str,
    /// Programs that must be there.
    needs: &'static [&'static str],
    /// Commands that fetch and build it, quick if nothing is left to do.
    prepare: &'static [&'static [&'static str]],
    /// The command that serves.
    run: &'static [&'static str],
}

/// Quick if everything is there, which `npm ci` is not.
const NPM: &[&str] = &[
    "npm",
    "install",
    "--no-save",
    "--prefer-offline",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--silent",
];

/// Debian's packages of Go and of its cryptography.
const GO_BUILD: &[&str] = &[
    "env",
    "GO111MODULE=off",
    "GOPATH=/usr/share/gocode",
    "go",
    "build",
    "-o",
    "../../../target/peers/go/server",
    ".",
];

pub(crate) const AXUM: Peer = Peer {
    folder: "axum",
    needs: &["cargo"],
    prepare: &[&[
        "cargo",
        "build",
        "--release",
        "--locked",
        "--quiet",
        "--target-dir",
        "../../../target/peers/axum",
    ]],
    run: &["../../../target/peers/axum/release/offload-peer-axum"],
};

pub(crate) const EXPRESS: Peer = node(&["node", "bare.mjs"]);
pub(crate) const CLUSTER: Peer = node(&["node", "cluster.mjs"]);
pub(crate) const PISCINA: Peer = node(&["node", "piscina.mjs"]);

pub(crate) const GO: Peer = Peer {
    folder: "go",
    needs: &["go"],
    prepare: &[GO_BUILD],
    run: &["../../../target/peers/go/server"],
};

pub(crate) const STARLETTE: Peer = Peer {
    folder: "starlette",
    needs: &["python3"],
    prepare: &[
        &["python3", "-m", "venv", "../../../target/peers/starlette"],
        &[
            "../../../target/peers/starlette/bin/python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            "requirements.txt",
        ],
    ],
    run: &["../../../target/peers/starlette/bin/python", "main.py"],
};

const fn node(run: &'static [&'static str]) -> Peer {
    Peer {
        folder: "node",
        needs: &["node", "npm"],
        prepare: &[NPM],
        run,
    }
}

impl Peer {
    /// Fetches and builds it.
    ///
    /// # Errors
    ///
    /// Says which program is missing, or which command failed.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        let missing = self.needs.iter().find(|program| !is_there(program));
        if let Some(program) = missing {
            return Err(io::Error::other(format!("{program} is not installed")));
        }
        for command in self.prepare {
            let status = self.command(command).stdin(Stdio::null()).status()?;
            if !status.success() {
                let command = command.join(" ");
                return Err(io::Error::other(format!("{command}: {status}")));
            }
        }
        Ok(())
    }

    /// Starts it. It ends when its standard input does, and first of all prints where it listens.
    pub(crate) fn start(&self) -> io::Result<Child> {
        self.command(self.run)
            .env("NODE_ENV", "production")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
    }

    fn command(&self, command: &[&str]) -> Command {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("peers")
            .join(self.folder);
        let mut words = command.iter();
        // A path among the words is one from the folder; a bare name is looked for where programs are.
        let program = words.next().map_or_else(PathBuf::new, |program| {
            if program.contains('/') {
                folder.join(program)
            } else {
                PathBuf::from(program)
            }
        });
        let mut command = Command::new(program);
        command.args(words).current_dir(folder);
        command
    }
}

/// Whether there is a program of this name in one of the folders for programs.
fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_is_named() {
        let peer = Peer {
            folder: "node",
            needs: &["no-such-program"],
            prepare: &[],
            run: &[],
        };
        let error = peer.prepare().expect_err("it is missing");
        assert_eq!(error.to_string(), "no-such-program is not installed");
    }

    #[test]
    fn each_has_its_folder() {
        for peer in [AXUM, EXPRESS, CLUSTER, PISCINA, GO, STARLETTE] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("peers")
                .join(peer.folder);
            assert!(folder.is_dir(), "{}", folder.display());
        }
    }
}
