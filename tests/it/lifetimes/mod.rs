//! What a server made is gone when its future ends, also what it made on the lanes, and the handle lives on.

mod books;
mod data;
mod restarts;
mod server;
