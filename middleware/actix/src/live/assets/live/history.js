// What earlier states said: rates over the last seconds, and the lag of each loop over the last minute.

/** How much of the past is shown. */
export const WINDOW_MS = 60_000;

/** Where the line of a stall begins, in seconds. */
const LEAST_STALL = 5e-3;

/** Rates are over so long, so that they can be read. */
const RATE_MS = 3000;

export function routeKey(route) {
  return `${route.app} ${route.method} ${route.pattern}`;
}

export class History {
  #counts = [];
  #lag = new Map();
  #stallsSeen = new Map();
  #process = null;
  #life = 0;

  take(state) {
    if (this.#isAnother(state)) {
      this.#life += 1;
      this.#counts = [];
      this.#stallsSeen.clear();
    }
    this.#process = { pid: state.pid, uptime: state.uptime_seconds };
    this.#takeCounts(state);
    this.#takeLag(state);
    this.#takeStalls(state);
  }

  /** Of which process the states are: 0, 1, 2, … What has a number in one may have another in the next. */
  get life() {
    return this.#life;
  }

  /** Counters of another process begin anew. */
  #isAnother(state) {
    const before = this.#process;
    return before !== null && (before.pid !== state.pid || state.uptime_seconds < before.uptime);
  }

  #takeCounts(state) {
    this.#counts.push({
      at: state.uptime_seconds,
      loops: new Map(state.event_loops.map((loop) => [loop.event_loop, { requests: loop.requests, cpu: loop.cpu_seconds }])),
      refused: new Map(state.lanes.map((lane) => [lane.name, lane.refused])),
      runs: new Map(state.routes.map((route) => [routeKey(route), route.loop_runs + route.lane_runs])),
      // A state names some of the routes only, and not always the same.
      onLane: state.lane_runs_total ?? state.routes.reduce((sum, route) => sum + route.lane_runs, 0),
      onLoop: state.event_loops.reduce((sum, loop) => sum + loop.requests, 0),
    });
    while (this.#counts.length > 2 && state.uptime_seconds - this.#counts[1].at > RATE_MS / 1e3) {
      this.#counts.shift();
    }
  }

  /** How fast that grows which `read` finds in the counts; null if that can't be said yet. */
  #perSecond(read) {
    const first = this.#counts[0];
    const last = this.#counts.at(-1);
    if (!last || last.at <= first.at) return null;
    const [from, to] = [read(first), read(last)];
    if (to == null) return null;
    // What was not there before has begun at nothing.
    return Math.max(0, to - (from ?? 0)) / (last.at - first.at);
  }

  requestRate() {
    return this.#perSecond((counts) => counts.onLoop + counts.onLane);
  }

  laneRate() {
    return this.#perSecond((counts) => counts.onLane);
  }

  loopRate(loop) {
    return this.#perSecond((counts) => counts.loops.get(loop)?.requests);
  }

  /** The part of one core that the loop's thread uses. */
  loopCpu(loop) {
    return this.#perSecond((counts) => counts.loops.get(loop)?.cpu);
  }

  refusedRate(lane) {
    return this.#perSecond((counts) => counts.refused.get(lane));
  }

  runRate(route) {
    const key = routeKey(route);
    // A route that was left out of earlier states as one of the less busy would seem to have begun just now.
    if (!this.#counts[0]?.runs.has(key) && this.#counts.length > 1) return 0;
    return this.#perSecond((counts) => counts.runs.get(key));
  }

  /** The lag of each loop: a map from its number to points `{at, lag}` in milliseconds and seconds, oldest first. */
  get lag() {
    return this.#lag;
  }

  #takeLag(state) {
    const oldest = state.unix_ms - WINDOW_MS - 2000;
    for (const loop of state.event_loops) {
      const points = this.#points(loop.event_loop);
      const lag = lagOf(loop);
      if (lag !== null) insert(points, { at: state.unix_ms, lag });
      while (points.length > 0 && points[0].at < oldest) points.shift();
      // The server's clock was set back, or another server's is behind: there they would stay until it has caught up.
      while (points.length > 0 && points.at(-1).at > state.unix_ms) points.pop();
    }
  }

  /**
   * A stall that came and went between two states, or while this page's own loop was the one that was stuck, is drawn
   * from what the watch measured: what came in while it lasted waited for what was left of it.
   */
  #takeStalls(state) {
    for (const stall of state.stalls) {
      if (stall.event_loop == null || !state.event_loops.some((loop) => loop.event_loop === stall.event_loop)) continue;
      if (this.#stallsSeen.get(stall.id) === stall.elapsed_seconds) continue;
      this.#stallsSeen.set(stall.id, stall.elapsed_seconds);
      const points = this.#points(stall.event_loop);
      const began = state.unix_ms - stall.age_s * 1e3;
      for (const part of [0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1]) {
        const lag = stall.elapsed_seconds * part;
        const at = began + lag * 1e3;
        // Less is what it has without a stall.
        if (lag < LEAST_STALL || at > state.unix_ms || at < state.unix_ms - WINDOW_MS) continue;
        const near = points.some((point) => Math.abs(point.at - at) < 40);
        if (!near || part === 1) insert(points, { at, lag });
      }
    }
    const known = new Set(state.stalls.map((stall) => stall.id));
    for (const id of this.#stallsSeen.keys()) if (!known.has(id)) this.#stallsSeen.delete(id);
  }

  #points(loop) {
    let points = this.#lag.get(loop);
    if (!points) this.#lag.set(loop, (points = []));
    return points;
  }
}

/** How long whoever comes to this loop now has to wait at least, in seconds; null if nobody measures it. */
export function lagOf(loop) {
  if (loop.stalled_seconds != null) return Math.max(loop.stalled_seconds, loop.lag_seconds ?? 0);
  return loop.lag_seconds ?? null;
}

function insert(points, point) {
  let at = points.length;
  while (at > 0 && points[at - 1].at > point.at) at -= 1;
  points.splice(at, 0, point);
}
