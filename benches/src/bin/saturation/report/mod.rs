//! Reports: what was read, tables of it, and what the criteria say to it.

pub(crate) mod check;
pub(crate) mod readings;
pub(crate) mod results;
mod table;
