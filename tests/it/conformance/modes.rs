//! The ways in which the same app is served.

use std::{fmt, time::Duration};

use actix_http::Request;
use actix_offload::{Mode as Work, Offload};
use actix_service::IntoServiceFactory;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, Response, Service, ServiceFactory},
};
use offload_tests::server::{TestServer, TestServerBuilder};

/// Two, so that handlers of one connection run on different threads.
const LANE_THREADS: usize = 2;

/// How an app is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Without the plugin.
    Bare,
    /// With the plugin switched off.
    Off,
    /// Every request on its event loop.
    AlwaysLoop,
    /// Every request on a lane.
    AlwaysLane,
    /// Every request on a lane, with the default settings otherwise: no `Server-Timing`.
    AlwaysLaneUntimed,
    /// Wherever the cost model says.
    Learned,
}

impl Mode {
    /// Those that have to be like [`Mode::Bare`].
    pub(crate) const WITH_PLUGIN: [Self; 5] = [
        Self::Off,
        Self::AlwaysLoop,
        Self::AlwaysLane,
        Self::AlwaysLaneUntimed,
        Self::Learned,
    ];

    /// How often each case runs. A learned route needs several runs to change sides.
    pub(crate) fn rounds(self) -> usize {
        match self {
            Self::Bare | Self::Off | Self::AlwaysLoop | Self::AlwaysLaneUntimed => 2,
            Self::AlwaysLane => 4,
            Self::Learned => 12,
        }
    }

    /// Serves `factory` this way by one event loop.
    pub(crate) fn serve<F, I, S, B>(self, factory: F) -> TestServer
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request> + 'static,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        self.serve_by(TestServer::builder(), factory)
    }

    /// Serves `factory` this way by a server with settings of its own.
    pub(crate) fn serve_by<F, I, S, B>(self, server: TestServerBuilder, factory: F) -> TestServer
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request> + 'static,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        match self.offload() {
            Some(offload) => server.start(offload.app(factory)),
            None => server.start(factory),
        }
    }

    /// The plugin with this mode's settings.
    pub(crate) fn offload(self) -> Option<Offload> {
        let (mode, timing) = match self {
            Self::Bare => return None,
            Self::Off => (Work::Off, true),
            Self::AlwaysLoop => (Work::Loop, true),
            Self::AlwaysLane => (Work::Lane, true),
            Self::AlwaysLaneUntimed => (Work::Lane, false),
            Self::Learned => (Work::Auto, true),
        };
        let offload = Offload::builder()
            .mode(mode)
            .lanes(|lanes| lanes.threads(LANE_THREADS))
            .server_timing(timing)
            // A debug build on a busy machine is slow, and these handlers are to be found light.
            .budget(Duration::from_millis(100))
            .lanes(|lanes| lanes.patience(Duration::from_secs(60)..=Duration::from_secs(60)))
            .build();
        Some(offload.expect("these settings are good"))
    }
}
