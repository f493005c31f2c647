//! How a layer learns which route a request is for, in which protocol it answers, and how an answer of that ends a request.

use std::{fmt, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, HeaderName, Method, Request, Response, Uri};
use offload_http::{Answer, End, RouteName, deadline, spans::Line};

/// The head of a request, as a function sees it that [names routes](crate::Offload::layer_by) or
/// [makes spans](crate::OffloadBuilder::request_span).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Head<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its target.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What the framework has added.
    pub extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// What a span tells of it.
    pub(crate) fn line(self) -> Line<'a> {
        Line {
            method: self.method.as_str(),
            path: Some(self.uri.path()),
        }
    }
}

/// A function that names routes.
type Namer = Arc<dyn for<'a> Fn(Head<'a>) -> Option<&'a str> + Send + Sync>;

/// How routes are named.
#[derive(Clone)]
pub(crate) enum Naming {
    /// By what axum's router has matched.
    #[cfg(feature = "axum")]
    Matched,
    /// By the path, which a client may make up.
    Path,
    /// By a function of the user.
    By(Namer),
}

/// The protocol in which the layer answers itself, and finds deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

/// Reads a deadline.
type Read = fn(&[u8]) -> Option<Duration>;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

impl Naming {
    pub(crate) fn name<'a>(&self, head: Head<'a>) -> RouteName<'a> {
        let matched = match self {
            #[cfg(feature = "axum")]
            Self::Matched => head
                .extensions
                .get::<axum::extract::MatchedPath>()
                .map(axum::extract::MatchedPath::as_str),
            Self::Path => return RouteName::Claimed(head.uri.path()),
            Self::By(name) => name(head),
        };
        matched.map_or(RouteName::Unmatched, RouteName::Matched)
    }
}

impl Protocol {
    /// How a request has ended that is answered so.
    pub(crate) fn end_of<B>(self, response: &Response<B>) -> End {
        let status = response.status();
        let code = match self {
            Self::Grpc => response.headers().get(GRPC_STATUS),
            Self::Http => None,
        };
        let failed = code.is_some_and(|code| code != "0");
        if failed || status.is_client_error() || status.is_server_error() {
            End::Failed
        } else {
            End::Served
        }
    }

    /// How long the client waits, if it says so: in gRPC's own header, or in the one that the application has chosen.
    pub(crate) fn deadline(
        self,
        headers: &HeaderMap,
        chosen: Option<&HeaderName>,
    ) -> Result<Option<Duration>, Answer> {
        let (header, read): (_, Read) = match (self, chosen) {
            (Self::Grpc, _) => (&GRPC_TIMEOUT, deadline::grpc),
            (Self::Http, Some(chosen)) => (chosen, deadline::millis),
            (Self::Http, None) => return Ok(None),
        };
        let Some(value) = headers.get(header) else {
            return Ok(None);
        };
        match read(value.as_bytes()) {
            Some(deadline) => Ok(Some(deadline)),
            // The service says itself what it makes of it, as it does without the layer.
            None if self == Self::Grpc => Ok(None),
            None => Err(Answer::BadDeadline {
                header: header.to_string(),
            }),
        }
    }
}

impl fmt::Debug for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "axum")]
            Self::Matched => "Matched",
            Self::Path => "Path",
            Self::By(_) => "By",
        })
    }
}
