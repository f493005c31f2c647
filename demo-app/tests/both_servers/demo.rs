//! The program as one of its two servers.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

/// A demo that runs until it is dropped.
pub(crate) struct Demo {
    pub(crate) addr: SocketAddr,
    child: Child,
}

impl Demo {
    pub(crate) fn start(server: &str, mode: &str) -> Self {
        let flags = ["--addr", "127.0.0.1:0", "--workers", "1", "--threads", "2"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_demo-app"))
            .args(flags)
            .args(["--server", server, "--offload", mode])
            .env_remove("OFFLOAD")
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it is");
        let addr = line.split("http://").nth(1);
        let addr = addr.and_then(|rest| rest.split_whitespace().next());
        let addr = addr.and_then(|addr| addr.parse().ok());
        Self {
            addr: addr.unwrap_or_else(|| panic!("no address in {line:?}")),
            child,
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail if it has ended, which is what they are for.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}
