//! Notices that a client of HTTP/1 has reset its connection where actix does not look: once it has seen the end of what the
//! client sends, and while it reads no further because a body or pipelined requests wait.

use std::{any::Any, cell::RefCell, rc::Rc, task::Context};

use actix_http::{Extensions, Request, Version};
use actix_web::rt::net::TcpStream;

/// The plugin's own view of a client's connection.
pub(crate) struct Lifeline {
    watch: RefCell<Watch>,
}

impl Lifeline {
    /// Adds one to what a connection carries along, if it can have one.
    pub(crate) fn attach(stream: &dyn Any, data: &mut Extensions) {
        if let Some(stream) = stream.downcast_ref::<TcpStream>()
            && let Some(watch) = Watch::of(stream)
        {
            let watch = RefCell::new(watch);
            data.insert(Rc::new(Self { watch }));
        }
    }

    /// That of a request's connection, if the server has the callback and the request has its
    /// connection for itself: with HTTP/2 several would wait for one event.
    pub(crate) fn of(request: &Request) -> Option<Rc<Self>> {
        if request.version() == Version::HTTP_2 {
            return None;
        }
        request.conn_data::<Rc<Self>>().cloned()
    }

    /// Whether the connection is gone in both directions.
    pub(crate) fn is_cut(&self) -> bool {
        self.watch.borrow().is_cut()
    }

    /// As [`is_cut`](Self::is_cut), and the task is woken when it is cut later. Only the last task that
    /// asked is.
    pub(crate) fn poll_cut(&self, cx: &mut Context<'_>) -> bool {
        self.watch.borrow_mut().poll_cut(cx)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
use epoll::Watch;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use nothing::Watch;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll {
    //! On a descriptor of its own, because actix has registered the first one for itself.

    use std::{
        io::{self, ErrorKind},
        mem, net,
        os::fd::AsFd,
        task::Context,
    };

    use actix_web::rt::net::TcpStream;
    use tokio::io::Interest;

    pub(super) enum Watch {
        /// No request of the connection has come to a lane yet.
        Idle(net::TcpStream),
        Registered(TcpStream),
        /// The kernel's events cannot be had.
        Blind,
    }

    impl Watch {
        pub(super) fn of(stream: &TcpStream) -> Option<Self> {
            // Without a second descriptor, all is as without the callback.
            let descriptor = stream.as_fd().try_clone_to_owned().ok()?;
            Some(Self::Idle(descriptor.into()))
        }

        /// A reset connection has no peer any more; one that is closed in one direction only has.
        pub(super) fn is_cut(&self) -> bool {
            let peer = match self {
                Self::Idle(stream) => stream.peer_addr(),
                Self::Registered(stream) => stream.peer_addr(),
                Self::Blind => return false,
            };
            peer.is_err()
        }

        pub(super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> bool {
            if matches!(self, Self::Idle(_)) {
                self.register();
            }
            let Self::Registered(stream) = self else {
                return false;
            };
            // The end of both directions counts as an end of writing, and that of the client's does not.
            // The other cause, room for writing, is no news: once it is noted, the next is waited for.
            for _ in 0..2 {
                if stream.poll_write_ready(cx).is_pending() {
                    return false;
                }
                if stream.peer_addr().is_err() {
                    return true;
                }
                let no_news = || Err::<(), _>(io::Error::from(ErrorKind::WouldBlock));
                let _ = stream.try_io(Interest::WRITABLE, no_news);
            }
            // It would be ready for ever though nothing has happened, and not tell what does.
            *self = Self::Blind;
            false
        }

        /// The kernel tells of what is already so, too.
        fn register(&mut self) {
            if let Self::Idle(stream) = mem::replace(self, Self::Blind) {
                match TcpStream::from_std(stream) {
                    Ok(stream) => *self = Self::Registered(stream),
                    Err(error) => {
                        tracing::debug!(target: "offload", %error, "a connection cannot be watched");
                    }
                }
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod nothing {
    //! Where the kernel's events cannot tell an end of both directions from one of one.

    use std::task::Context;

    use actix_web::rt::net::TcpStream;

    pub(super) enum Watch {}

    impl Watch {
        pub(super) fn of(_: &TcpStream) -> Option<Self> {
            None
        }

        pub(super) fn is_cut(&self) -> bool {
            match *self {}
        }

        pub(super) fn poll_cut(&mut self, _: &mut Context<'_>) -> bool {
            match *self {}
        }
    }
}
