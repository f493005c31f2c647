//! All that is shown: the newest state, what happened since the one before, the last minute, and whether
//! the server is there.

use super::{
    args::ServerUrl,
    client::FetchError,
    history::History,
    rates::{Rates, Snapshot, is_restart},
    state::{Route, State},
    units,
};

/// What is known of a server. Times are seconds on the monitor's own clock.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) url: ServerUrl,
    pub(crate) every: f64,
    pub(crate) now: f64,
    pub(crate) latest: Option<Snapshot>,
    pub(crate) rates: Rates,
    pub(crate) history: History,
    /// Why the last request failed; none if it did not.
    pub(crate) trouble: Option<String>,
}

impl Model {
    pub(crate) fn new(url: ServerUrl, every: f64) -> Self {
        Self {
            url,
            every,
            now: 0.0,
            latest: None,
            rates: Rates::default(),
            history: History::default(),
            trouble: None,
        }
    }

    /// Takes what came of a request at `now`.
    pub(crate) fn take(&mut self, result: Result<State, FetchError>, now: f64) {
        self.now = self.now.max(now);
        let state = match result {
            Ok(mut state) => {
                // Of those that were only declared there is nothing to see.
                state.routes.retain(Route::was_asked_for);
                state
            }
            Err(error) => {
                self.trouble = Some(error.to_string());
                return;
            }
        };
        self.trouble = None;
        let newest = Snapshot { state, at: now };
        self.rates = match &self.latest {
            Some(before) => Rates::between(before, &newest),
            None => Rates::unknown(&newest.state),
        };
        let restarted = self
            .latest
            .as_ref()
            .is_some_and(|before| is_restart(&before.state, &newest.state));
        if restarted {
            self.history.clear();
        }
        for event_loop in &newest.state.event_loops {
            self.history.record(event_loop, now, self.every);
        }
        self.latest = Some(newest);
    }

    /// What the server said last; nothing if it has not been reached yet.
    pub(crate) fn state(&self) -> Option<&State> {
        self.latest.as_ref().map(|latest| &latest.state)
    }

    /// For how long there has been no state, in seconds, if that is longer than it should be.
    pub(crate) fn silence(&self) -> Option<f64> {
        let silence = self.now - self.latest.as_ref()?.at;
        (silence > 1.0 + 2.0 * self.every).then_some(silence)
    }

    /// Why the last request failed, as a sentence.
    pub(crate) fn failure(&self) -> Option<String> {
        let trouble = self.trouble.as_ref()?;
        Some(format!("server at {} {trouble}", self.url))
    }

    /// What is wrong with the connection, as a sentence.
    pub(crate) fn complaint(&self) -> Option<String> {
        let url = &self.url;
        match (self.failure(), &self.latest, self.silence()) {
            (Some(failure), None, _) => Some(format!("{failure}; trying again")),
            (Some(failure), Some(latest), _) => {
                let age = units::age(self.now - latest.at);
                Some(format!(
                    "{failure}; trying again; below is what it said {age} ago"
                ))
            }
            (None, Some(_), Some(silence)) => {
                let silence = units::age(silence);
                Some(format!(
                    "server at {url} has not answered for {silence}; its event loop may be stalled"
                ))
            }
            (None, ..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monit::state::EventLoop;

    fn model() -> Model {
        Model::new("127.0.0.1:1".parse().expect("a URL"), 0.5)
    }

    fn state(pid: u64, requests: u64) -> State {
        State {
            pid: Some(pid),
            event_loops: vec![EventLoop {
                requests,
                lag_seconds: Some(0.5),
                ..EventLoop::default()
            }],
            ..State::default()
        }
    }

    #[test]
    fn a_server_that_is_away_is_complained_of_and_its_last_words_are_kept() {
        let mut model = model();
        assert_eq!(model.complaint(), None, "nothing is known yet");
        model.take(
            Err(FetchError::Unreachable("connection refused".into())),
            1.0,
        );
        let said = model.complaint().expect("a complaint");
        assert_eq!(
            said,
            "server at http://127.0.0.1:1 does not answer: connection refused; trying again"
        );

        model.take(Ok(state(1, 10)), 2.0);
        assert_eq!(model.complaint(), None);
        model.take(Err(FetchError::NotFound), 14.0);
        assert!(
            model
                .complaint()
                .expect("a complaint")
                .ends_with("said 12s ago")
        );
        assert_eq!(model.state(), Some(&state(1, 10)));
    }

    #[test]
    fn an_answer_that_is_overdue_is_noticed_before_the_request_fails() {
        let mut model = model();
        model.take(Ok(state(1, 10)), 2.0);
        model.now = 3.9;
        assert_eq!(model.complaint(), None);
        model.now = 4.6;
        assert!(model.complaint().expect("a complaint").contains("for 3s"));
    }

    #[test]
    fn a_restart_begins_anew() {
        let mut model = model();
        model.take(Ok(state(1, 10)), 1.0);
        model.take(Ok(state(1, 30)), 2.0);
        assert_eq!(model.rates.loops[0].requests, Some(20.0));
        assert_eq!(
            model.history.cells(0, 2.0, 60)[58..],
            [Some(0.5), Some(0.5)]
        );
        model.take(Ok(state(2, 5)), 3.0);
        assert_eq!(model.rates.loops[0].requests, None);
        assert_eq!(model.history.cells(0, 3.0, 60)[58..], [None, Some(0.5)]);
    }
}
