//! What the routes do, without a word of any web framework: both servers call this, and add only their own few lines.

pub(crate) mod bodies;
pub(crate) mod burn;
pub(crate) mod digest;
pub(crate) mod home;
pub(crate) mod json;
pub(crate) mod password;
pub(crate) mod sort;
pub(crate) mod timer;
