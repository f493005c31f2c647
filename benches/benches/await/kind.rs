//! What a handler awaits: the kinds, and a route for each.

use std::{cell::RefCell, io, net::SocketAddr, time::Duration};

use actix_web::{
    Result,
    error::ErrorInternalServerError,
    web::{self, Data, Payload, ServiceConfig},
};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

/// How often a handler awaits.
pub(crate) const AWAITS: usize = 20;
/// How long a timer takes, and how long a client waits before each piece of a body.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);

/// Something to await.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `sleep` of a millisecond.
    Timers,
    /// A byte to an echo server and back, on a connection that is kept.
    Sockets,
    /// The next piece of a request body of no known length.
    Chunks,
    /// `web::block` of nothing.
    Block,
    /// A query of SQLite in memory, by sqlx.
    Sqlx,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Timers,
        Self::Sockets,
        Self::Chunks,
        Self::Block,
        Self::Sqlx,
    ];

    /// The name in reports and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Timers => "timers",
            Self::Sockets => "sockets",
            Self::Chunks => "chunks",
            Self::Block => "block",
            Self::Sqlx => "sqlx",
        }
    }

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Chunks => "POST",
            _ => "GET",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Timers => "/timers",
            Self::Sockets => "/sockets",
            Self::Chunks => "/chunks",
            Self::Block => "/block",
            Self::Sqlx => "/sqlx",
        }
    }
}

/// The connections to the echo server of one instance of the app, as a client of a database keeps them.
struct Echo {
    address: SocketAddr,
    idle: RefCell<Vec<TcpStream>>,
}

impl Echo {
    async fn connection(&self) -> io::Result<TcpStream> {
        let idle = self.idle.borrow_mut().pop();
        if let Some(stream) = idle {
            return Ok(stream);
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

async fn timers() -> &'static str {
    for _ in 0..AWAITS {
        sleep(PAUSE).await;
    }
    "waited"
}

async fn sockets(echo: Data<Echo>) -> Result<&'static str> {
    let mut stream = echo.connection().await?;
    let mut byte = [0];
    for _ in 0..AWAITS {
        stream.write_all(&byte).await?;
        stream.read_exact(&mut byte).await?;
    }
    echo.idle.borrow_mut().push(stream);
    Ok("echoed")
}

async fn chunks(mut body: Payload) -> Result<&'static str> {
    while let Some(piece) = body.next().await {
        piece?;
    }
    Ok("read")
}

async fn block() -> Result<&'static str> {
    for _ in 0..AWAITS {
        web::block(|| ()).await?;
    }
    Ok("blocked")
}

async fn sqlx(pool: Data<sqlx::SqlitePool>) -> Result<&'static str> {
    for _ in 0..AWAITS {
        let one = sqlx::query_scalar::<_, i64>("SELECT 1").fetch_one(&**pool);
        one.await.map_err(ErrorInternalServerError)?;
    }
    Ok("queried")
}

/// The routes of all kinds, for one instance of the app.
pub(crate) fn routes(echo: SocketAddr, pool: Data<sqlx::SqlitePool>, config: &mut ServiceConfig) {
    let echo = Echo {
        address: echo,
        idle: RefCell::default(),
    };
    config.app_data(Data::new(echo)).app_data(pool);
    for kind in Kind::ALL {
        let route = match kind {
            Kind::Timers => web::get().to(timers),
            Kind::Sockets => web::get().to(sockets),
            Kind::Chunks => web::post().to(chunks),
            Kind::Block => web::get().to(block),
            Kind::Sqlx => web::get().to(sqlx),
        };
        config.route(kind.path(), route);
    }
}
