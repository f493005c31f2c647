//! Streams of one HTTP/2 connection, without TLS and with prior knowledge, that are sent at once.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{runtime::Builder, time::timeout};

use super::exchange;

/// How long the answers are waited for, each.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks for `path` by `count` streams of one connection. Returns the status of each; None if it has none.
pub(crate) fn ask_at_once(
    address: SocketAddr,
    path: &str,
    count: usize,
) -> io::Result<Vec<Option<u16>>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = exchange::connect(address).await?;
        let (mut sender, connection) = h2::client::handshake(stream).await.map_err(other)?;
        // It ends with the runtime.
        tokio::spawn(connection);
        let mut answers = Vec::with_capacity(count);
        for _ in 0..count {
            let request = http::Request::get(format!("http://{address}{path}")).body(());
            sender = sender.ready().await.map_err(other)?;
            let sent = sender.send_request(request.map_err(io::Error::other)?, true);
            answers.push(sent.map_err(other)?.0);
        }
        let mut statuses = Vec::with_capacity(count);
        for answer in answers {
            let answer = timeout(PATIENCE, answer).await;
            let status = answer.ok().and_then(Result::ok);
            statuses.push(status.map(|answer| answer.status().as_u16()));
        }
        Ok(statuses)
    })
}

fn other(error: h2::Error) -> io::Error {
    io::Error::other(error)
}
