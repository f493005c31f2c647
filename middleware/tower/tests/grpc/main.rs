//! gRPC over real sockets: a tonic service under the layer answers as it does without, and stays responsive while its calls compute.

mod client;
mod codec;
mod conformance;
mod deadline;
mod gone;
mod health;
mod refusals;
mod server;
mod service;
mod streams;
mod unimplemented;
mod wait;
