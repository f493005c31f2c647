//! What the routes do: plain handlers, none of which knows of the plugin.

pub(crate) mod burn;
pub(crate) mod digest;
pub(crate) mod home;
pub(crate) mod json;
pub(crate) mod password;
pub(crate) mod report;
pub(crate) mod sort;
pub(crate) mod timer;
