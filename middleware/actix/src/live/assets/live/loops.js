// A card for each event loop: how long it lets people wait, and what kept it.

import { byId, keep, make, setClass, setData, setText } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { lagOf } from "./history.js";

/** From here on people notice a lag, in seconds. */
const NOTICEABLE = 0.1;

export class LoopCards {
  #list;

  constructor(list) {
    this.#list = list;
  }

  draw(state, history) {
    const threshold = state.stall_threshold_ms / 1e3;
    keep(this.#list, state.event_loops, (loop) => loop.event_loop, create, (card, loop) => {
      update(card, loop, history, threshold);
    });
    byId("loops-empty").hidden = state.event_loops.length > 0;
  }
}

function create(loop) {
  const part = (name) => make("dd", { "data-figure": name });
  const figures = {
    longest: part("longest-lag"),
    rate: part("requests"),
    cpu: part("cpu"),
    stalls: part("stalls"),
    poll: part("longest-poll"),
  };
  const lag = make("p", { class: "big", "data-figure": "lag" });
  const thread = make("span", { class: "sub" });
  const meter = make("span", { class: "meter", "aria-hidden": "true" }, make("span"));
  const route = make("span", { class: "route" });
  const banner = make("p", { class: "banner", hidden: "" });
  const root = make(
    "li",
    { class: "card loop", "data-loop": String(loop.event_loop) },
    make(
      "div",
      { class: "card-head" },
      make("h3", {}, make("span", { class: `swatch series-${loop.event_loop % 8}`, "aria-hidden": "true" }), ` Loop ${loop.event_loop}`),
      thread,
    ),
    banner,
    make("div", { class: "lead" }, lag, make("p", { class: "sub", text: "lag now" })),
    make(
      "dl",
      { class: "figures" },
      make("div", {}, make("dt", { text: "Longest lag" }), figures.longest),
      make("div", {}, make("dt", { text: "Stalls" }), figures.stalls),
      make("div", {}, make("dt", { text: "Requests" }), figures.rate),
      make("div", {}, make("dt", { text: "CPU" }), figures.cpu, meter),
      make("div", { class: "whole" }, make("dt", { text: "Longest poll" }), figures.poll, route),
    ),
  );
  return { root, lag, thread, banner, meter: meter.firstElementChild, route, figures };
}

function update(card, loop, history, threshold) {
  const lag = lagOf(loop);
  const stalled = loop.stalled_seconds != null;
  setText(card.thread, loop.thread ?? "");
  setText(card.lag, duration(lag));
  setData(card.root, "level", stalled || lag > NOTICEABLE ? "bad" : lag > threshold ? "warn" : "good");
  setClass(card.root, "stalled", stalled);
  card.banner.hidden = !stalled;
  if (stalled) {
    setText(card.banner, `Stalled for ${duration(loop.stalled_seconds)} by ${loop.stalled_route || "no route"}`);
  }
  const cpu = history.loopCpu(loop.event_loop);
  setText(card.figures.longest, duration(loop.longest_lag_seconds));
  setText(card.figures.stalls, loop.stalls == null ? "–" : count(loop.stalls));
  setText(card.figures.rate, rate(history.loopRate(loop.event_loop)));
  setText(card.figures.cpu, percent(cpu));
  card.meter.style.width = `${Math.min(100, (cpu ?? 0) * 100)}%`;
  setText(card.figures.poll, duration(loop.longest_poll_seconds));
  setText(card.route, loop.longest_poll_route);
}
