//! Reports: what was read, tables of it, and what the criteria say to it.

pub(crate) mod check;
pub(crate) mod curve;
mod files;
mod machine;
mod plot;
pub(crate) mod readings;
pub(crate) mod results;
mod table;
