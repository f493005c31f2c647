// A card for each lane: how busy it is, and how long one would wait there.

import { byId, keep, make, setData, setText } from "./dom.js";
import { count, duration, rate } from "./format.js";

export function drawLanes(state, history) {
  keep(byId("lane-cards"), state.lanes, (lane) => lane.name, create, (card, lane) => update(card, lane, history));
}

function create(lane) {
  const part = (name) => make("dd", { "data-figure": name });
  const figures = {
    queued: part("queued"),
    delay: part("projected-delay"),
    refused: part("refused"),
    ended: part("ended"),
  };
  const running = make("p", { class: "big", "data-figure": "running" });
  const what = make("p", { class: "sub" });
  const seats = make("span", { class: "seats", "aria-hidden": "true" });
  const root = make(
    "li",
    { class: "card lane-card", "data-lane": lane.name },
    make("div", { class: "card-head" }, make("h3", { text: title(lane.name) }), make("span", { class: "sub", text: lane.name })),
    make("div", { class: "lead" }, running, what, seats),
    make(
      "dl",
      { class: "figures" },
      make("div", {}, make("dt", { text: "Queued" }), figures.queued),
      make("div", {}, make("dt", { text: "One would wait" }), figures.delay),
      make("div", {}, make("dt", { text: "Refused" }), figures.refused),
      make("div", {}, make("dt", { text: "Expired, cancelled" }), figures.ended),
    ),
  );
  return { root, running, what, seats, figures };
}

function title(name) {
  return { "offload-short": "Short requests", "offload-long": "Long requests" }[name] ?? name;
}

function update(card, lane, history) {
  const { figures } = card;
  const spares = Math.max(0, lane.running - lane.threads);
  const some = spares > 0 ? ` + ${spares}` : "";
  setText(card.running, `${lane.running - spares}${some} of ${lane.threads}`);
  setText(card.what, spares > 0 ? "running, with spare threads" : "running");
  drawSeats(card.seats, lane);
  setText(figures.queued, count(lane.queued));
  setText(figures.delay, duration(lane.projected_delay_seconds));
  setText(figures.refused, `${rate(history.refusedRate(lane.name))}, ${count(lane.refused)} in all`);
  setText(figures.ended, `${count(lane.expired)}, ${count(lane.cancelled)}`);
  const full = lane.running >= lane.threads;
  setData(card.root, "level", full && lane.queued > 0 ? "busy" : full || spares > 0 ? "full" : "free");
}

/** One seat for each thread, filled if it runs something; beyond so many they would be too small to see. */
function drawSeats(seats, lane) {
  const shown = Math.min(64, Math.max(lane.threads, lane.running));
  while (seats.children.length < shown) seats.append(make("span"));
  while (seats.children.length > shown) seats.lastElementChild.remove();
  [...seats.children].forEach((seat, at) => {
    setData(seat, "seat", at >= lane.running ? "free" : at >= lane.threads ? "spare" : "taken");
  });
}
