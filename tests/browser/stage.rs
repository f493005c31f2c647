//! The demo as a running server, with a browser that looks at one of its pages.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_offload::Offload;
use actix_web::App;
use demo_app::{Demo, cli::Args, server::settings};
use offload_tests::{client::Client, server::TestServer};

use crate::{driver::Driver, find::Programs, page::Page};

/// Two loops, so that one of them can be stuck while the other is not; two threads a lane.
const LOOPS: u16 = 2;

/// What may stay on a loop: less than what the tests take for heavy, by far.
const BUDGET: Duration = Duration::from_millis(3);

/// One browser at a time: more than one would measure each other.
static ALONE: Mutex<()> = Mutex::new(());

/// A server and a browser. Fields are dropped from the first to the last.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) page: Page,
    pub(crate) server: TestServer,
    _offload: Offload,
    _alone: MutexGuard<'static, ()>,
}

impl Stage {
    /// Opens `path` of a fresh server; none where there is no browser.
    pub(crate) fn open(path: &str) -> Option<Self> {
        let programs = Programs::find()?;
        // A test that failed has cleaned up as well.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let args = Args {
            workers: Some(LOOPS),
            threads: Some(LOOPS),
            ..Args::default()
        };
        // A program that was not optimised, on a machine that is busy with it, takes longer for what is light.
        let builder = settings(&args).budget(BUDGET);
        let offload = builder.build().expect("the plugin starts");
        let demo = Demo::auto(offload.clone());
        let app = move || App::new().configure(|cfg| demo.routes(cfg));
        let server = TestServer::builder().workers(LOOPS.into());
        let server = server.start(offload.app(app));
        let origin = format!("http://{}", server.addr());
        let page = Page::open(Driver::start(&programs), origin, path);
        Some(Self {
            page,
            server,
            _offload: offload,
            _alone: alone,
        })
    }

    /// Does one part of a test, and says which if it fails. After it nothing has gone wrong in the page.
    pub(crate) fn step(&self, name: &str, step: impl FnOnce(&Self)) {
        print!("{name} ... ");
        step(self);
        self.page.assert_clean();
        println!("ok");
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.server.addr())
    }
}
