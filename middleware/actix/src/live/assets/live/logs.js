// The two lists of what has happened: stalls, and moves between loop and lane.

import { badge, byId, keep, make, setClass, setData, setText } from "./dom.js";
import { ago, duration } from "./format.js";

const KINDS = {
  computing: "computing",
  waiting: "waiting in a system call or for a lock",
  lane_job: "a job on a lane is late",
  lane_tasks: "spawned tasks keep a lane thread",
  blocking_pool: "the pool of web::block is full",
};

/** Reading out each of a hundred stalls helps nobody. */
const QUIET_MS = 5000;

export class Stalls {
  #list = byId("stall-list");
  #announcer = byId("announcer");
  #announced = new Set();
  #lastAnnounced = -Infinity;

  draw(state, history) {
    const newestFirst = [...state.stalls].reverse();
    const keyOf = keyIn(history);
    keep(this.#list, newestFirst, keyOf, createStall, updateStall);
    showEither("stall", newestFirst.length > 0);
    this.#announce(state.stalls, keyOf);
  }

  #announce(stalls, keyOf) {
    const known = this.#announced;
    const fresh = stalls.filter((stall) => !known.has(keyOf(stall)));
    this.#announced = new Set(stalls.map(keyOf));
    // What was there when the page was opened is no news.
    const recent = fresh.filter((stall) => stall.age_s < 10);
    if (recent.length === 0 || performance.now() - this.#lastAnnounced < QUIET_MS) return;
    this.#lastAnnounced = performance.now();
    const last = recent.at(-1);
    const others = recent.length > 1 ? ` and ${recent.length - 1} more` : "";
    this.#announcer.textContent = `${where(last)} stalled by ${last.route}${others}`;
  }
}

/** What tells stalls or moves apart: a server that was started anew numbers its own from the beginning. */
function keyIn(history) {
  return ({ id }) => `${history.life} ${id}`;
}

function where(stall) {
  if (stall.kind === "lane_job") return "A lane";
  if (stall.kind === "lane_tasks") return "A lane thread";
  if (stall.kind === "blocking_pool") return "The blocking pool";
  return stall.event_loop == null ? stall.thread : `Loop ${stall.event_loop}`;
}

function createStall(stall) {
  const elapsed = make("strong", { class: "elapsed" });
  const age = make("span", { class: "sub" });
  const kind = make("span", { class: "sub" });
  const place = make("p", { class: "frame", hidden: "" });
  const trace = make("ol", { class: "trace" });
  const details = make("details", { hidden: "" }, make("summary", { text: "How it came there" }), trace);
  const root = make(
    "li",
    { "data-stall": String(stall.id) },
    make("div", { class: "log-head" }, elapsed, make("span", { class: "route", text: stall.route }), age),
    kind,
    place,
    details,
  );
  return { root, elapsed, age, kind, place, details, trace, frames: "" };
}

function updateStall(parts, stall) {
  setText(parts.elapsed, duration(stall.elapsed_seconds));
  setText(parts.age, stall.over ? ago(stall.age_s) : "still stuck");
  const cpu = stall.on_cpu_seconds == null ? "" : `, ${duration(stall.on_cpu_seconds)} on the CPU`;
  setText(parts.kind, `${where(stall)}: ${KINDS[stall.kind] ?? stall.kind}${cpu}`);
  setClass(parts.root, "going-on", !stall.over);
  setData(parts.root, "kind", stall.kind);
  const frames = (stall.backtrace ?? []).join("\n");
  if (frames === parts.frames) return;
  parts.frames = frames;
  const first = stall.backtrace.find(isOwn) ?? stall.backtrace[0];
  parts.place.replaceChildren(...(first ? ["in ", ...frameOf(first)] : []));
  parts.place.hidden = !first;
  parts.trace.replaceChildren(
    ...stall.backtrace.map((frame) => make("li", { class: isOwn(frame) ? "" : "foreign" }, ...frameOf(frame))),
  );
  parts.details.hidden = frames === "";
}

/** Paths in the standard library, and in crates as cargo unpacks them: `tokio-1.54.1/src/…`. */
const FOREIGN = /^(?:std|core|alloc)\/|^[^/]+-\d+\.\d+\.\d+[^/]*\//;

/** Whether a frame is in code that somebody here can change. */
function isOwn(frame) {
  const [, place] = frame.split(" at ");
  return place !== undefined && !FOREIGN.test(place);
}

function frameOf(frame) {
  const [name, place] = frame.split(" at ");
  const parts = [make("span", { text: name })];
  if (place) parts.push(" ", make("span", { class: "at", text: `at ${place}` }));
  return parts;
}

export class Moves {
  #list = byId("move-list");

  draw(state, history) {
    // What the configuration says is no news, and the table says it.
    const newestFirst = state.moves.filter((move) => !move.reason.startsWith("pinned by")).reverse();
    keep(this.#list, newestFirst, keyIn(history), createMove, updateMove);
    showEither("move", newestFirst.length > 0);
  }
}

function createMove(move) {
  const age = make("span", { class: "sub" });
  const root = make(
    "li",
    { "data-move": String(move.id), class: move.age_s < 2 ? "fresh" : "" },
    make(
      "div",
      { class: "log-head" },
      make("span", { class: "route", text: move.route }),
      make("span", { class: "from-to" }, ...way(move)),
      age,
    ),
    make("span", { class: "sub", text: move.reason }),
  );
  return { root, age };
}

/** A route that was found to be heavy stays where unknown ones are. */
function way({ from, to }) {
  const word = (text) => make("span", { class: "arrow", text });
  return from === to ? [word("stays on"), badge(to)] : [badge(from), word("to"), badge(to)];
}

function updateMove(parts, move) {
  setText(parts.age, ago(move.age_s));
}

function showEither(name, any) {
  byId(`${name}-list`).hidden = !any;
  byId(`${name}s-empty`).hidden = any;
}
