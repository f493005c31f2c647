// The table of routes: sorted by any column, filtered by any word, and calm while its figures change.

import { badge, byId, keep, make, setText } from "./dom.js";
import { ago, count, duration, number } from "./format.js";
import { routeKey } from "./history.js";

/** The ends of the scale of costs, in microseconds. */
const LEAST_US = 10;
const MOST_US = 10e6;

const NOTE = "What each costs, and where it runs because of that. This page’s own are left out.";

/** What each column is sorted by, and whether its largest is looked at first. */
const COLUMNS = {
  route: { key: (row) => `${row.route.pattern} ${row.route.method}`, first: "ascending" },
  placement: { key: (row) => `${row.route.placement} ${row.route.pattern}`, first: "ascending" },
  cost: { key: (row) => row.route.cost?.p95_us ?? -1, first: "descending" },
  rate: { key: (row) => row.rate ?? 0, first: "descending" },
  runs: { key: (row) => row.runs, first: "descending" },
  trouble: { key: (row) => row.trouble, first: "descending" },
  move: { key: (row) => -(row.route.last_move?.age_s ?? Infinity), first: "descending" },
};

export class RouteTable {
  #body = byId("route-rows");
  #headings = [...document.querySelectorAll("#route-table th[data-column]")];
  #filter = byId("route-filter");
  #sort = { column: "runs", direction: "descending" };
  #rows = [];
  #state = null;

  constructor() {
    for (const heading of this.#headings) {
      heading.querySelector("button").addEventListener("click", () => this.#sortBy(heading.dataset.column));
    }
    this.#filter.addEventListener("input", () => this.#draw());
    this.#showSort();
  }

  update(state, history) {
    this.#state = state;
    this.#rows = state.routes.map((route) => ({
      route,
      key: routeKey(route),
      rate: history.runRate(route),
      runs: route.loop_runs + route.lane_runs,
      trouble: route.refused + route.cancelled + route.panics,
    }));
    this.#draw();
  }

  #sortBy(column) {
    const { direction } = this.#sort;
    const opposite = direction === "ascending" ? "descending" : "ascending";
    this.#sort = { column, direction: column === this.#sort.column ? opposite : COLUMNS[column].first };
    this.#showSort();
    this.#draw();
  }

  #showSort() {
    for (const heading of this.#headings) {
      if (heading.dataset.column === this.#sort.column) heading.setAttribute("aria-sort", this.#sort.direction);
      else heading.removeAttribute("aria-sort");
    }
  }

  #draw() {
    if (!this.#state) return;
    const words = this.#filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    // Who looks at their app does not look for this page, unless they say so.
    const all = words.some((word) => word.includes("_offload"));
    // A route that is pinned is there before anybody asks for it.
    const met = this.#rows.filter((row) => row.runs + row.trouble > 0 && (all || !isOwn(row.route)));
    const shown = met.filter((row) => words.every((word) => textOf(row.route).includes(word)));
    const { key } = COLUMNS[this.#sort.column];
    const sign = this.#sort.direction === "ascending" ? 1 : -1;
    shown.sort((a, b) => sign * compare(key(a), key(b)) || compare(a.key, b.key));
    const budget = this.#state.budget_us ?? 100;
    keep(this.#body, shown, (row) => row.key, create, (parts, row) => update(parts, row, budget));
    byId("routes-empty").hidden = shown.length > 0;
    setText(byId("routes-empty"), met.length > 0 ? "No route matches." : "No route has been asked for yet.");
    setText(byId("routes-note"), this.#note(met.length, shown.length));
  }

  #note(met, shown) {
    const omitted = this.#state.routes_omitted ?? 0;
    const filtered = shown < met ? `${shown} of ${met} shown. ` : "";
    const rest = omitted > 0 ? `The ${this.#state.routes.length} busiest; ${count(omitted)} others are left out.` : "";
    return filtered + rest || NOTE;
  }
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether it serves this page, or what belongs to it. */
function isOwn(route) {
  return /(^|\/)_offload(\/|$)/.test(route.pattern);
}

function textOf(route) {
  const pinned = route.pinned_by ? "pinned" : "";
  return `${route.method} ${route.pattern} ${route.placement} ${pinned} ${route.last_move?.reason ?? ""}`.toLowerCase();
}

function create({ route, key }) {
  const cell = (name, label, ...children) => {
    return make("td", { role: "cell", class: name, "data-label": label }, ...children);
  };
  const place = make("span", { class: "place" });
  const spread = make("span", { class: "spread", "aria-hidden": "true" });
  spread.append(...["range", "median", "peak", "budget"].map((name) => make("span", { class: name })));
  const cost = make("span", { class: "cost-text" });
  const rate = cell("number", "Runs/s");
  const runs = cell("number", "Runs");
  const trouble = cell("number trouble", "Not served");
  const reason = make("span", { class: "reason" });
  const age = make("span", { class: "sub" });
  const root = make(
    "tr",
    { role: "row", "data-route": `${route.method} ${route.pattern}`, "data-key": key },
    make(
      "th",
      { role: "rowheader", scope: "row" },
      make("span", { class: "method", text: route.method }),
      " ",
      make("span", { class: "route", text: route.pattern }),
      route.app > 0 ? make("span", { class: "sub", text: ` app ${route.app}` }) : "",
    ),
    cell("placement", "Runs on", place),
    cell("cost", "Cost", spread, cost),
    rate,
    runs,
    trouble,
    cell("move", "Last move", reason, " ", age),
  );
  return { root, place, spread, cost, rate, runs, trouble, reason, age };
}

function update(parts, row, budget) {
  const { route } = row;
  drawPlace(parts, route);
  drawCost(parts, route.cost, budget);
  setText(parts.rate, number(row.rate ?? 0));
  setText(parts.runs, count(row.runs));
  parts.runs.title = `${route.loop_runs} on event loops, ${route.lane_runs} on lanes`;
  setText(parts.trouble, troubles(route));
  const move = route.last_move;
  setText(parts.reason, move ? move.reason : "–");
  setText(parts.age, move ? ago(move.age_s) : "");
}

function drawPlace(parts, route) {
  const place = `${route.placement} ${route.pinned_by ?? ""}`;
  if (parts.place.dataset.place === place) return;
  parts.place.dataset.place = place;
  parts.root.dataset.placement = route.placement;
  parts.place.replaceChildren(badge(route.placement));
  if (route.pinned_by) {
    parts.place.append(" ", make("span", { class: "pin", text: "pinned", title: `pinned by ${route.pinned_by}` }));
  }
}

function drawCost(parts, cost, budget) {
  const text = cost
    ? `${duration(cost.p50_us / 1e6)} · ${duration(cost.p95_us / 1e6)} · peak ${duration(cost.peak_us / 1e6)}`
    : "not measured yet";
  setText(parts.cost, text);
  parts.spread.hidden = !cost;
  if (cost) drawSpread(parts.spread, cost, budget);
}

function drawSpread(spread, cost, budget) {
  const [range, median, peak, line] = spread.children;
  const [from, to] = [onScale(cost.p50_us), onScale(cost.p95_us)];
  range.style.left = `${from}%`;
  range.style.width = `${Math.max(1, to - from)}%`;
  median.style.left = `${from}%`;
  peak.style.left = `${onScale(cost.peak_us)}%`;
  line.style.left = `${onScale(budget)}%`;
  spread.classList.toggle("over", cost.p50_us > budget);
}

/** Where a cost is on the scale, in percent. */
function onScale(micros) {
  const part = Math.log(micros / LEAST_US) / Math.log(MOST_US / LEAST_US);
  return Math.min(100, Math.max(0, part * 100));
}

function troubles({ refused, cancelled, panics }) {
  const some = [[refused, "refused"], [cancelled, "left"], [panics, "panicked"]].filter(([times]) => times > 0);
  return some.length > 0 ? some.map(([times, what]) => `${count(times)} ${what}`).join(", ") : "0";
}
