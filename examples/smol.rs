//! axum on smol: one thread serves, nothing of tokio runs, and what computes is on the lanes all the same.
//!
//! ```sh
//! cargo run --release -p offload-examples --example smol -- 127.0.0.1:8080
//! curl localhost:8080/primes/1000000 & curl localhost:8080/
//! ```

use std::{
    env,
    error::Error,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::Path, routing::get};
use smol::{Async, Executor, Timer};
use tower_offload::Offload;

async fn index() -> &'static str {
    "hello"
}

/// On a lane it may still await what drives itself, as smol's timers do.
async fn primes(Path(below): Path<u32>) -> String {
    Timer::after(Duration::from_millis(1)).await;
    count_primes(below).to_string()
}

/// Computes for as long as `below` is large, and knows nothing of event loops.
fn count_primes(below: u32) -> usize {
    let is_prime = |n: &u32| {
        (2..)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    (2..below.min(1_000_000)).filter(is_prime).count()
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let address: SocketAddr = address.parse()?;

    let offload = Offload::new()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/primes/{below}", get(primes))
        .layer(offload.layer());
    let listener = Async::<TcpListener>::bind(address)?;
    println!("listening on {}", listener.get_ref().local_addr()?);
    let executor = Arc::new(Executor::new());
    let served = smol_axum::serve(Arc::clone(&executor), listener, app);
    smol::block_on(executor.run(served))?;
    Ok(())
}
