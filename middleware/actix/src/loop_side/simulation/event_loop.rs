//! An event loop that the test turns by hand: it polls what is woken, and looks at its sockets only when it is told to.
//!
//! It is the one future of a tokio runtime, and one poll of that is one turn: the runtime wakes what waits for the loop's next look
//! after that poll and before the next. Lanes are real, but the loop waits after each turn until they have nothing to do.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use actix_http::{Method, Payload, Response, header};
use actix_web::{Error, body::MessageBody, dev::Service};
use futures_channel::mpsc;
use offload_core::{
    clock::simulated::{self, Spent},
    cost::BodySize,
    placement::Placement,
};

use super::{
    app::{Asked, SCRIPT},
    script::{Op, Script, Size, Target},
    world::World,
};

/// As many tasks as tokio runs between two looks.
const TURN: usize = 61;

/// So many turns are enough for whatever can come.
const ENDLESS: usize = 20_000;

type Task = Pin<Box<dyn Future<Output = ()>>>;

pub(super) struct EventLoop<S> {
    service: Rc<S>,
    world: Arc<World>,
    tasks: Vec<Option<Task>>,
}

/// Wakes the task of one request.
struct TaskWaker {
    world: Arc<World>,
    id: usize,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.world.wake(self.id);
    }
}

impl<S, B> EventLoop<S>
where
    S: Service<Asked, Response = Response<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    pub(super) fn new(service: S, world: Arc<World>) -> Self {
        Self {
            service: Rc::new(service),
            world,
            tasks: Vec::new(),
        }
    }

    /// A request comes, without its body. Returns its number.
    pub(super) fn arrive(&mut self, script: &Script) -> usize {
        let (method, uri) = script.target.request();
        let (sender, payload) = mpsc::unbounded();
        let (payload, body) = match script.size {
            Size::None => (Payload::None, None),
            _ => {
                let payload = Box::pin(payload) as _;
                (Payload::Stream { payload }, Some(sender))
            }
        };
        let id = self.world.arrive(script.clone(), body);
        let mut request = Asked::with_payload(payload);
        let head = request.head_mut();
        let heads_only = method == Method::HEAD;
        head.method = method;
        head.uri = uri.parse().expect("a path");
        head.headers.insert(
            header::HeaderName::from_static(SCRIPT),
            header::HeaderValue::from(id),
        );
        if let (BodySize::Known(length), true) = (script.size.declared(), script.size != Size::None)
        {
            head.headers
                .insert(header::CONTENT_LENGTH, header::HeaderValue::from(length));
        }
        let (service, world) = (Rc::clone(&self.service), Arc::clone(&self.world));
        self.tasks.push(Some(Box::pin(async move {
            serve(&*service, request, heads_only, &world, id).await;
            world.close(id, true);
        })));
        id
    }

    /// Runs what is woken, and looks at the sockets.
    async fn turn(&mut self, most: usize) {
        for _ in 0..most {
            let next = self.world.lock().woken.pop_front();
            let Some(id) = next else { break };
            let waker = Waker::from(Arc::new(TaskWaker {
                world: Arc::clone(&self.world),
                id,
            }));
            let cx = &mut Context::from_waker(&waker);
            if let Some(task) = &mut self.tasks[id]
                && pin!(tokio::task::unconstrained(task.as_mut()))
                    .poll(cx)
                    .is_ready()
            {
                self.tasks[id] = None;
            }
        }
        let mut looked = false;
        poll_fn(|cx| {
            if looked {
                return Poll::Ready(());
            }
            looked = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        self.world.wait_for_lanes();
        self.world.lock().oracle.looked();
    }

    /// Goes on until nothing is woken any more. What is not answered then waits for the test, and for nobody else.
    async fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..ENDLESS {
            self.turn(TURN).await;
            quiet = match self.world.lock().woken.is_empty() {
                true => quiet + 1,
                false => 0,
            };
            if quiet == 2 {
                break;
            }
        }
        let mut inner = self.world.lock();
        if quiet < 2 {
            inner.oracle.violated("P3: the loop never rests".to_owned());
        }
        // P3
        for id in 0..inner.requests.len() {
            let request = &inner.requests[id];
            if request.open && !request.is_held() {
                let what = format!(
                    "P3: {id} waits for nothing: {:?} {:?}",
                    request.state, request.at
                );
                inner.oracle.violated(what);
            }
        }
    }

    /// So many light requests, one after the other. Says where the last one ran.
    pub(super) async fn lights(
        &mut self,
        target: Target,
        size: Size,
        count: usize,
    ) -> Option<Placement> {
        let mut last = None;
        for _ in 0..count {
            let id = self.arrive(&Script::light(target, size));
            self.world.release(id);
            self.settle().await;
            last = self.world.lock().requests[id].at;
        }
        last
    }

    fn open(&self) -> Vec<usize> {
        let inner = self.world.lock();
        let requests = inner.requests.iter().enumerate();
        let open = requests.filter(|(_, request)| request.open);
        open.map(|(id, _)| id).collect()
    }

    fn release_all(&self) {
        for id in self.open() {
            self.world.release(id);
        }
    }

    pub(super) async fn play(&mut self, op: &Op) {
        match op {
            Op::Arrive(script, count) => {
                for _ in 0..*count {
                    self.arrive(script);
                }
            }
            Op::Lights(target, size, count) => {
                self.lights(*target, *size, *count).await;
            }
            Op::Release(which) => {
                let open = self.open();
                if !open.is_empty() {
                    self.world.release(open[which % open.len()]);
                }
            }
            Op::ReleaseAll => self.release_all(),
            Op::Leave(which) => {
                let open = self.open();
                if !open.is_empty() {
                    let id = open[which % open.len()];
                    self.tasks[id] = None;
                    self.world.close(id, false);
                    self.world.wait_for_lanes();
                }
            }
            Op::Turn(most) => self.turn(*most).await,
            Op::Settle => self.settle().await,
            Op::Idle(time) => {
                self.settle().await;
                simulated::pass(*time, Spent::Waiting);
            }
        }
    }

    /// Everybody gets what they wait for, and the loop comes to rest.
    pub(super) async fn end(&mut self) {
        for _ in 0..ENDLESS {
            self.settle().await;
            if self.open().is_empty() {
                return;
            }
            if !self.world.lock().oracle.violations().is_empty() {
                return;
            }
            self.release_all();
        }
        let open = self.open();
        let what = format!("P3: never answered: {open:?}");
        self.world.lock().oracle.violated(what);
    }
}

/// What actix does with a request.
async fn serve<S, B>(service: &S, request: Asked, heads_only: bool, world: &World, id: usize)
where
    S: Service<Asked, Response = Response<B>, Error = Error>,
    B: MessageBody,
{
    let mut response = pin!(service.call(request));
    let answered = poll_fn(|cx| world.polled(id, cx, |cx| response.as_mut().poll(cx))).await;
    let Ok(response) = answered else { return };
    if response.status() == actix_http::StatusCode::SERVICE_UNAVAILABLE {
        world
            .lock()
            .oracle
            .violated(format!("P3: {id} was refused"));
    }
    if heads_only {
        return;
    }
    let mut body = pin!(response.into_body());
    while let Some(Ok(_)) =
        poll_fn(|cx| world.polled(id, cx, |cx| body.as_mut().poll_next(cx))).await
    {}
}
