//! What a move says in the log, and that whoever listens may look at the route.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::with_default,
};

use super::{light, none, run};
use crate::{
    placement::{Placement, Rules},
    routes::{Route, RouteTable},
};

/// Writes events down and asks the route for a report at each, which would hang if a lock were held (T3).
struct Listener {
    table: RouteTable,
    route: Arc<Route>,
    heard: Arc<Mutex<Vec<String>>>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?};").unwrap();
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "offload"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{};", event.metadata().level()));
        event.record(&mut line);
        assert_eq!(self.route.report().pattern, "/");
        assert!(!self.table.routes().is_empty());
        self.heard.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn each_move_is_logged_once_and_without_a_lock() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    let heard = Arc::default();
    let listener = Listener {
        table: table.clone(),
        route: Arc::clone(&route),
        heard: Arc::clone(&heard),
    };
    with_default(listener, || {
        for _ in 0..20 {
            route.observe(none(), run(20, Placement::Loop));
        }
        route.observe(none(), run(52_100, Placement::Loop));
        route.observe(none(), run(52_100, Placement::Loop));
        let _ = table.restore(&table.snapshot());
    });
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(
        heard[0],
        "INFO;message=a route moves;app=0;route=GET /;from=loop;to=lane;\
         reason=slow run of 52.1ms on the event loop;"
    );
    assert!(heard[1].contains("restored"), "{}", heard[1]);
}
