//! Both pages of the demo in a real browser: `/_offload/` and `/lab`, driven through chromedriver.
//!
//! Needs `chromedriver` and `chromium` (or `google-chrome`) in `PATH`, or named by `OFFLOAD_CHROMEDRIVER` and
//! `OFFLOAD_CHROMIUM`. Without them each test says that it is skipped, unless `OFFLOAD_BROWSER=required`. What the pages
//! looked like is in `target/browser/`.
#![forbid(unsafe_code)]

mod basics;
mod driver;
mod find;
mod lab;
mod live;
mod page;
mod stage;
mod traffic;
