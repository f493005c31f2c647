// The stream of states, from whichever event loop has time for it.
//
// A browser's EventSource comes back by itself when a connection ends. What it does not know: the connection belongs to
// one event loop, and that loop may be the one that is stuck. So when nothing comes for a while, another connection is
// opened beside it, which the server gives to another loop, and the first to deliver is the one that stays.

const SILENCE_MS = 1500;
const MOST_SOURCES = 3;
const WATCH_MS = 250;

export function openFeed(url, onState, onConnection) {
  const sources = new Set();
  let opened = 0;
  let lastOpened = -Infinity;
  let lastState = -Infinity;
  let last = { seq: -1, uptime_seconds: 0, pid: null };

  function open() {
    const address = new URL(url);
    // One address each, or a browser might let the second wait for the first.
    if (opened > 0) address.searchParams.set("again", String(opened));
    opened += 1;
    lastOpened = performance.now();
    const source = new EventSource(address);
    sources.add(source);
    source.addEventListener("state", (event) => receive(source, event.data));
    source.addEventListener("error", () => {
      // It has given up, because the server said no; the watch opens another one.
      if (source.readyState === EventSource.CLOSED) sources.delete(source);
      watch();
    });
  }

  function receive(source, data) {
    for (const other of sources) {
      if (other === source) continue;
      other.close();
      sources.delete(other);
    }
    lastState = performance.now();
    const state = withDefaults(JSON.parse(data));
    const restarted = state.pid !== last.pid || state.uptime_seconds < last.uptime_seconds;
    // Another connection may have delivered this one already.
    if (!restarted && state.seq <= last.seq) return;
    last = state;
    onState(state);
    watch();
  }

  function watch() {
    const now = performance.now();
    const silent = now - Math.max(lastState, lastOpened) > SILENCE_MS;
    if (sources.size === 0 ? now - lastOpened > SILENCE_MS : silent && sources.size < MOST_SOURCES) open();
    onConnection(connection(now));
  }

  function connection(now) {
    if (lastState === -Infinity) return "connecting";
    if (now - lastState <= SILENCE_MS) return "live";
    const connected = [...sources].some((source) => source.readyState === EventSource.OPEN);
    return connected ? "silent" : "reconnecting";
  }

  open();
  setInterval(watch, WATCH_MS);
}

/** What an older server does not say is taken for nothing. */
function withDefaults(state) {
  return {
    ...state,
    stall_threshold_ms: state.stall_threshold_ms ?? 25,
    event_loops: state.event_loops ?? [],
    lanes: state.lanes ?? [],
    routes: state.routes ?? [],
    moves: state.moves ?? [],
    stalls: state.stalls ?? [],
  };
}
