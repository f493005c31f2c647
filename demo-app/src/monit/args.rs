//! What `demo-app monit` can be told, and which server it is to look at.

use std::{fmt, str::FromStr};

use clap::{Args, value_parser};

/// What the monitor reads, beneath the server's URL.
const STATE_PATH: &str = "/_offload/state";

/// Shows a running server: event loops, lanes, the busiest routes, stalls.
///
/// Where its output is no terminal it writes a block of text per interval instead.
#[derive(Clone, Debug, Args)]
pub struct MonitArgs {
    /// The server to look at
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: ServerUrl,

    /// How often to look, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value_t = 500, value_parser = value_parser!(u64).range(50..=3_600_000))]
    pub every: u64,

    /// Ends after so many blocks of text; implies --plain
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Writes text, even to a terminal
    #[arg(long)]
    pub plain: bool,
}

/// The address of a server, as `http://host:port`, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl(String);

/// Why a text is not the URL of a server that can be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It asks for TLS, or for something that is not HTTP at all.
    #[error("only http:// can be read, not {0}://")]
    Scheme(String),
    /// It names no host, or can't be taken apart.
    #[error("not a URL such as http://127.0.0.1:8080")]
    Malformed,
}

impl ServerUrl {
    /// Where the server's state is read.
    pub(super) fn state(&self) -> String {
        format!("{}{STATE_PATH}", self.0)
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    /// Takes `host:port` for `http://host:port`, and the address of the live page for that of its server.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => return Err(UrlError::Scheme(scheme.to_owned())),
            None => text,
        };
        let rest = rest.trim_end_matches('/');
        let rest = rest.strip_suffix(STATE_PATH).unwrap_or(rest);
        let rest = rest.strip_suffix("/_offload").unwrap_or(rest);
        let url = format!("http://{rest}");
        let uri: ureq::http::Uri = url.parse().map_err(|_| UrlError::Malformed)?;
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        // A port that is none, such as 99999, is left out by the parser without a word.
        let port = authority
            .as_str()
            .strip_prefix(authority.host())
            .is_some_and(|port| port.is_empty() || authority.port_u16().is_some());
        if port && !authority.host().is_empty() && uri.query().is_none() {
            Ok(Self(url))
        } else {
            Err(UrlError::Malformed)
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_in_many_ways() {
        for (text, url) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("localhost:8080", "http://localhost:8080"),
            ("HTTP://[::1]:80", "http://[::1]:80"),
            ("http://host/app/", "http://host/app"),
            ("http://host:1/_offload/", "http://host:1"),
            ("http://host:1/_offload/state", "http://host:1"),
        ] {
            let parsed: ServerUrl = text.parse().expect(text);
            assert_eq!(parsed.to_string(), url);
            assert_eq!(parsed.state(), format!("{url}/_offload/state"));
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in ["", "http://", "http:///x", "a b", "host:99999999", "h?x=1"] {
            let parsed: Result<ServerUrl, _> = text.parse();
            assert_eq!(parsed, Err(UrlError::Malformed), "{text}");
        }
        let tls: Result<ServerUrl, _> = "https://host".parse();
        assert_eq!(tls, Err(UrlError::Scheme("https".into())));
    }
}
