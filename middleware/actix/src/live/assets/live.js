// The live page: takes each state as it comes, and gives it to those who draw a part of it.

import { byId, setText } from "./live/dom.js";
import { openFeed } from "./live/feed.js";
import { count, duration, rate, span } from "./live/format.js";
import { History } from "./live/history.js";
import { drawLanes } from "./live/lanes.js";
import { Moves, Stalls } from "./live/logs.js";
import { LoopCards } from "./live/loops.js";
import { LagPlot } from "./live/plot.js";
import { RouteTable } from "./live/routes.js";

const CONNECTION = {
  connecting: "connecting",
  live: "live",
  silent: "waiting for the server",
  reconnecting: "reconnecting",
};

const history = new History();
const plot = new LagPlot(byId("lag-plot"), byId("legend"), history);
const loops = new LoopCards(byId("loop-cards"));
const routes = new RouteTable();
const stalls = new Stalls();
const moves = new Moves();

function show(state) {
  history.take(state);
  drawFacts(state);
  loops.draw(state, history);
  plot.update(state);
  drawLanes(state, history);
  routes.update(state, history);
  stalls.draw(state, history);
  moves.draw(state, history);
}

function drawFacts(state) {
  setText(byId("fact-pid"), String(state.pid ?? "–"));
  setText(byId("fact-uptime"), span(state.uptime_seconds ?? 0));
  setText(byId("fact-workers"), count(state.event_loops.length));
  setText(byId("fact-rate"), rate(history.requestRate()));
  setText(byId("fact-lane-rate"), rate(history.laneRate()));
  setText(byId("fact-budget"), duration((state.budget_us ?? 100) / 1e6));
  setText(byId("fact-threshold"), `over ${duration(state.stall_threshold_ms / 1e3)}`);
}

function showConnection(connection) {
  document.body.dataset.connection = connection;
  setText(byId("connection-text"), CONNECTION[connection]);
}

// The address of this file, so that the page works wherever it was mounted.
openFeed(new URL("events", import.meta.url), show, showConnection);
