//! The app of axum on smol: as many threads as there are cores poll one executor, and no runtime of tokio is there.
//!
//! The layer has its feature `tokio` here, because other alternatives need it. It asks once for each request whether there is a
//! runtime, and finds none.

use std::{
    future::pending,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZero,
    sync::Arc,
    thread,
};

use futures_util::{FutureExt, future::BoxFuture};
use smol::{Async, Executor};
use smol_axum::Incoming;

use super::axum;
use crate::alternative::Alternative;

/// Sends at once what is written, as all others do.
struct Prompt(Async<TcpListener>);

impl Incoming for Prompt {
    type Connection = Async<TcpStream>;
    type Accept<'a> = BoxFuture<'a, io::Result<Option<(Async<TcpStream>, SocketAddr)>>>;

    fn accept(&self) -> Self::Accept<'_> {
        async {
            let (stream, client) = self.0.accept().await?;
            stream.get_ref().set_nodelay(true)?;
            Ok(Some((stream, client)))
        }
        .boxed()
    }
}

/// Serves until the process is told to end, which it does at once.
pub(super) fn listen(alternative: Alternative) -> io::Result<()> {
    let app = axum::app(alternative)?;
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    println!("{}", listener.get_ref().local_addr()?);
    let executor = Arc::new(Executor::new());
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    for _ in 1..cores {
        let executor = Arc::clone(&executor);
        thread::spawn(move || smol::block_on(executor.run(pending::<()>())));
    }
    let served = smol_axum::serve(Arc::clone(&executor), Prompt(listener), app);
    smol::block_on(executor.run(served))
}
