// The plot of one run: how long `/` has been waiting, against time.

/** The axis, in milliseconds. What is beyond stands at its edge. */
const LEAST = 1;
const MOST = 10_000;

/** What people feel, from the patient end; the last one that is not above a wait is its verdict. */
export const FEELINGS = [
  { from: 0, words: "feels instant", line: null, color: "--good" },
  { from: 100, words: "noticeable", line: "instant", color: "--fair" },
  { from: 1000, words: "people drift off", line: "drift off", color: "--poor" },
  { from: 3000, words: "people leave", line: "leave", color: "--bad" },
];

const TICKS = [[1, "1 ms"], [10, "10 ms"], [100, "0.1 s"], [1000, "1 s"], [3000, "3 s"], [10_000, "10 s"]];

/** How much time is seen while a run goes on, in milliseconds. */
const WINDOW = 10_000;

/** A wait shorter than this is a point; a longer one is drawn as it grew. */
const POINT = 200;

/** What people feel at a wait of so many milliseconds. The limit itself still belongs to the better side of 0.1 s. */
export function feeling(ms) {
  return FEELINGS.findLast(({ from }) => (from === 100 ? ms > from : ms >= from));
}

export class Plot {
  #canvas;
  #colors = {};
  #run = null;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.recolor();
  }

  /** Takes the colours from the style sheet again. */
  recolor() {
    const style = getComputedStyle(this.#canvas);
    const names = ["--card", "--soft", "--line", "--jobs", ...FEELINGS.map(({ color }) => color)];
    for (const name of names) this.#colors[name] = style.getPropertyValue(name).trim();
    this.#colors.font = `11px ${style.fontFamily}`;
    this.draw();
  }

  /** Shows `run` from now on. */
  show(run) {
    this.#run = run;
    this.draw();
  }

  /** Draws what is known at `now`, which is a time of the page's clock; without it, the whole run. */
  draw(now = null) {
    const canvas = this.#canvas;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (width === 0) return;
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = this.#colors.font;
    const run = this.#run;
    const begin = run?.begin ?? 0;
    const end = now ?? run?.end ?? begin;
    const span = Math.max(WINDOW, now === null ? end - begin : 0);
    const from = Math.max(begin, end - span);
    const box = { left: 42, right: width - 8, top: 10, bottom: height - 24 };
    const x = (at) => box.left + ((at - from) / span) * (box.right - box.left);
    const decades = Math.log10(MOST / LEAST);
    const y = (ms) => {
      const part = Math.log10(Math.min(MOST, Math.max(LEAST, ms)) / LEAST) / decades;
      return box.bottom - part * (box.bottom - box.top);
    };
    const view = { pen, box, x, y, from, span, begin, now };
    if (run) this.#drawJobs(view, run);
    this.#drawAxes(view);
    if (run) this.#drawWaits(view, run);
    this.#drawLines(view);
  }

  #drawAxes({ pen, box, x, y, from, span, begin }) {
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const [ms, label] of TICKS) {
      pen.fillStyle = this.#colors["--soft"];
      pen.fillText(label, box.left - 6, y(ms));
      pen.strokeStyle = this.#colors["--line"];
      line(pen, box.left, y(ms), box.right, y(ms));
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const room = Math.max(1, Math.floor((box.right - box.left) / 48));
    const step = [1, 2, 5, 10, 20, 30, 60, 120].find((seconds) => span / 1000 / seconds <= room) ?? 300;
    const first = Math.ceil((from - begin) / 1000 / step) * step;
    for (let second = first; second * 1000 <= from - begin + span; second += step) {
      pen.fillText(`${second} s`, Math.min(x(begin + second * 1000), box.right - 8), box.bottom + 7);
    }
  }

  /** The lines of what people feel, above all else, each with its name at the side for which it holds. */
  #drawLines({ pen, box, y }) {
    pen.textAlign = "left";
    pen.lineJoin = "round";
    for (const { from, line: label, color } of FEELINGS) {
      if (!label) continue;
      pen.lineWidth = 1;
      pen.strokeStyle = this.#colors[color];
      pen.setLineDash([5, 4]);
      line(pen, box.left, y(from), box.right, y(from));
      pen.setLineDash([]);
      const under = from === 100;
      const place = [label, box.left + 4, y(from) + (under ? 4 : -2)];
      pen.textBaseline = under ? "top" : "bottom";
      pen.lineWidth = 3;
      pen.strokeStyle = this.#colors["--card"];
      pen.strokeText(...place);
      pen.fillStyle = this.#colors[color];
      pen.fillText(...place);
    }
  }

  /** A band from the moment at which the jobs were fired until the last had ended. */
  #drawJobs({ pen, box, x, from, now }, run) {
    if (run.fired === null) return;
    const left = Math.max(box.left, x(Math.max(from, run.fired)));
    const right = Math.min(box.right, x(run.allDone ?? now ?? run.end));
    if (right <= left) return;
    pen.fillStyle = this.#colors["--jobs"];
    pen.fillRect(left, box.top, right - left, box.bottom - box.top);
    if (right - left > pen.measureText("jobs run").width + 8) {
      pen.fillStyle = this.#colors["--soft"];
      pen.textAlign = "left";
      pen.textBaseline = "top";
      pen.fillText("jobs run", left + 4, box.top + 2);
    }
  }

  #drawWaits(view, run) {
    const { pen, box, x, y, from, now } = view;
    const path = [];
    // What `/` takes when nothing keeps it: from there a long wait grows.
    let usual = LEAST;
    const grow = (since, at) => {
      // Closer together where a wait is short, since there the axis is steep.
      for (let wait = usual; wait < at - since; wait *= 1.15) path.push([since + wait, wait]);
      path.push([at, at - since]);
    };
    for (const { since, at } of run.answers) {
      const wait = at - since;
      if (at >= from - 1000) {
        if (wait > POINT) grow(since, at);
        else path.push([at, wait]);
      }
      if (wait <= POINT) usual = Math.max(LEAST, wait);
    }
    const hangs = now !== null && run.since !== null && now - run.since > POINT;
    if (hangs) grow(run.since, now);
    if (path.length === 0) return;

    pen.save();
    pen.beginPath();
    pen.rect(box.left, 0, box.right - box.left, box.bottom + 1);
    pen.clip();
    pen.beginPath();
    for (const [at, wait] of path) pen.lineTo(x(at), y(wait));
    pen.strokeStyle = this.#shades(pen, y);
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.stroke();
    pen.lineTo(x(path.at(-1)[0]), box.bottom);
    pen.lineTo(x(path[0][0]), box.bottom);
    pen.closePath();
    pen.globalAlpha = 0.18;
    pen.fillStyle = this.#shades(pen, y);
    pen.fill();
    pen.restore();
    this.#drawLost(view, run);
    if (now !== null) {
      const [at, wait] = path.at(-1);
      pen.beginPath();
      pen.arc(x(at), y(wait), 4, 0, 2 * Math.PI);
      pen.fillStyle = this.#colors[feeling(wait).color];
      pen.fill();
    }
  }

  /** A cross where `/` was answered by an error, or not at all. */
  #drawLost({ pen, x, y, from }, run) {
    pen.strokeStyle = this.#colors["--bad"];
    pen.lineWidth = 2;
    for (const { since, at } of run.answers.filter((answer) => answer.lost && answer.at >= from)) {
      const [left, top] = [x(at), y(at - since)];
      line(pen, left - 4, top - 4, left + 4, top + 4);
      line(pen, left - 4, top + 4, left + 4, top - 4);
    }
  }

  /** Each height in the colour of what people feel there. */
  #shades(pen, y) {
    const shades = pen.createLinearGradient(0, y(LEAST), 0, y(MOST));
    const part = (ms) => (y(LEAST) - y(ms)) / (y(LEAST) - y(MOST));
    FEELINGS.forEach(({ from, color }, at) => {
      const next = FEELINGS[at + 1]?.from ?? MOST;
      shades.addColorStop(part(from), this.#colors[color]);
      shades.addColorStop(part(next), this.#colors[color]);
    });
    return shades;
  }
}

function line(pen, fromX, fromY, toX, toY) {
  pen.beginPath();
  pen.moveTo(fromX, fromY);
  pen.lineTo(toX, toY);
  pen.stroke();
}
