//! Tries to break what the layer promises of where requests run: over real sockets, and by calling its services directly.

mod contract;
mod direct;
mod drain;
mod gone;
mod held;
mod learned;
mod panics;
mod scarce;
mod settings;
mod site;
mod streams;
mod terms;
