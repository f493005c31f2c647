// Lag against time, one line for each event loop, on a logarithmic scale.

import { keep, make, setText } from "./dom.js";
import { duration } from "./format.js";
import { WINDOW_MS, lagOf } from "./history.js";

/** The ends of the scale, in seconds. */
const LEAST = 1e-5;
const MOST = 10;
const TICKS = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10];

/** States come twice a second; what lies further apart is no line. */
const GAP_MS = 2500;

/** Loops beyond the eighth have the colours once more, dashed. */
const DASHES = [[], [5, 3], [2, 3], [8, 3, 2, 3]];
const COLOURS = 8;

/** Seamless enough, and next to no work. */
const FRAME_MS = 1000 / 15;

const ROOM = { top: 12, right: 12, bottom: 22, left: 58 };

export class LagPlot {
  #canvas;
  #legend;
  #history;
  #threshold = 0.025;
  #loops = [];
  /** The server's clock minus this page's, in milliseconds. */
  #offset = null;
  #style = null;
  #drawn = 0;

  constructor(canvas, legend, history) {
    this.#canvas = canvas;
    this.#legend = legend;
    this.#history = history;
    const restyle = () => {
      this.#style = null;
      this.#draw();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    new ResizeObserver(restyle).observe(canvas);
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    const move = (now) => {
      if (!still.matches && now - this.#drawn >= FRAME_MS) {
        this.#drawn = now;
        this.#draw();
      }
      requestAnimationFrame(move);
    };
    requestAnimationFrame(move);
  }

  update(state) {
    const offset = state.unix_ms - performance.now();
    // Follows the server's clock without jumping at each state that came a little late.
    const jump = this.#offset === null || Math.abs(offset - this.#offset) > 1000;
    this.#offset = jump ? offset : this.#offset + (offset - this.#offset) * 0.1;
    this.#threshold = state.stall_threshold_ms / 1e3;
    this.#loops = state.event_loops;
    this.#drawLegend(state);
    setLabel(this.#canvas, this.#describe(state));
    this.#draw();
  }

  #drawLegend(state) {
    keep(this.#legend, state.event_loops, (loop) => loop.event_loop, createEntry, (entry, loop) => {
      setText(entry.lag, duration(lagOf(loop)));
    });
  }

  #describe(state) {
    if (state.event_loops.length === 0) return "Lag of each event loop: nothing measured yet";
    const loops = state.event_loops.map((loop) => {
      const points = this.#history.lag.get(loop.event_loop) ?? [];
      const highest = points.reduce((most, point) => Math.max(most, point.lag), 0);
      const now = lagOf(loop);
      return now === null
        ? `loop ${loop.event_loop} is not measured`
        : `loop ${loop.event_loop} now ${duration(now)}, highest ${duration(highest)}`;
    });
    const oldest = Math.min(...state.event_loops.map((loop) => this.#history.lag.get(loop.event_loop)?.[0]?.at ?? state.unix_ms));
    const seconds = Math.min(WINDOW_MS, state.unix_ms - oldest) / 1e3;
    return `Lag of each event loop over the last ${Math.floor(seconds)} seconds: ${loops.join("; ")}`;
  }

  #draw() {
    if (document.hidden) return;
    const box = this.#canvas.getBoundingClientRect();
    if (box.width < 50) return;
    const scale = devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    const context = this.#canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, box.width, box.height);
    const area = new Area(box);
    this.#style ??= styleOf(this.#canvas);
    drawGrid(context, area, this.#style);
    const marks = [[this.#threshold, `${duration(this.#threshold)} a stall`], [0.1, "0.1 s people notice"]];
    for (const [seconds] of marks) drawMark(context, area, this.#style, seconds);
    if (this.#offset !== null) this.#drawLines(context, area, box);
    for (const [seconds, text] of marks) nameMark(context, area, this.#style, seconds, text);
  }

  #drawLines(context, area, box) {
    const now = performance.now() + this.#offset;
    context.save();
    context.beginPath();
    context.rect(area.left, 0, area.width + 4, box.height);
    context.clip();
    for (const { event_loop: loop } of this.#loops) {
      this.#drawLine(context, area, loop, now);
    }
    context.restore();
  }

  #drawLine(context, area, loop, now) {
    const points = this.#history.lag.get(loop) ?? [];
    context.strokeStyle = this.#style.series[loop % COLOURS];
    context.setLineDash(DASHES[Math.floor(loop / COLOURS) % DASHES.length]);
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.beginPath();
    let before = null;
    for (const point of points) {
      const x = area.x((now - point.at) / WINDOW_MS);
      const y = area.y(point.lag);
      if (before === null || point.at - before > GAP_MS) context.moveTo(x, y);
      else context.lineTo(x, y);
      before = point.at;
    }
    context.stroke();
    context.setLineDash([]);
    const last = points.at(-1);
    if (!last || now - last.at > GAP_MS) return;
    context.fillStyle = context.strokeStyle;
    context.beginPath();
    context.arc(area.x((now - last.at) / WINDOW_MS), area.y(last.lag), 3, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Where on the canvas a time and a lag are. */
class Area {
  constructor(box) {
    this.left = ROOM.left;
    this.width = box.width - ROOM.left - ROOM.right;
    this.top = ROOM.top;
    this.height = box.height - ROOM.top - ROOM.bottom;
  }

  /** `age` is the part of the window that has passed since. */
  x(age) {
    return this.left + (1 - age) * this.width;
  }

  y(lag) {
    const part = Math.log(Math.min(MOST, Math.max(LEAST, lag)) / LEAST) / Math.log(MOST / LEAST);
    return this.top + (1 - part) * this.height;
  }
}

function styleOf(canvas) {
  const style = getComputedStyle(canvas);
  const value = (name) => style.getPropertyValue(name).trim();
  return {
    font: `12px ${style.fontFamily}`,
    grid: value("--line"),
    text: value("--muted"),
    mark: value("--mark"),
    card: value("--card"),
    series: Array.from({ length: COLOURS }, (_, at) => value(`--series-${at}`)),
  };
}

function drawGrid(context, area, style) {
  context.font = style.font;
  context.lineWidth = 1;
  context.strokeStyle = style.grid;
  context.fillStyle = style.text;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of TICKS) {
    const y = Math.round(area.y(tick)) + 0.5;
    line(context, area.left, y, area.left + area.width, y);
    context.fillText(duration(tick), area.left - 8, y);
  }
  context.textBaseline = "top";
  const times = area.width < 300 ? [60, 30, 0] : [60, 45, 30, 15, 0];
  for (const seconds of times) {
    const x = area.x((seconds * 1e3) / WINDOW_MS);
    context.textAlign = seconds === 60 ? "left" : seconds === 0 ? "right" : "center";
    context.fillText(seconds === 0 ? "now" : `−${seconds} s`, x, area.top + area.height + 6);
  }
}

function drawMark(context, area, style, seconds) {
  const y = Math.round(area.y(seconds)) + 0.5;
  context.strokeStyle = style.mark;
  context.setLineDash([4, 4]);
  line(context, area.left, y, area.left + area.width, y);
  context.setLineDash([]);
}

/** Above the lines, and with a rim, so that it can be read whatever runs through it. */
function nameMark(context, area, style, seconds, text) {
  const [x, y] = [area.left + 6, area.y(seconds) - 2];
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.lineWidth = 5;
  context.lineJoin = "round";
  context.strokeStyle = style.card;
  context.strokeText(text, x, y);
  context.fillStyle = style.mark;
  context.fillText(text, x, y);
}

function line(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}

function setLabel(canvas, label) {
  if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
}

function createEntry(loop) {
  const lag = make("span", { class: "value" });
  const swatch = make("span", { class: `swatch series-${loop.event_loop % COLOURS}`, "aria-hidden": "true" });
  const root = make("li", {}, swatch, ` loop ${loop.event_loop} `, lag);
  return { root, lag };
}
