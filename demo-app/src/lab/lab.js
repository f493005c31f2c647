// The experiment: fires jobs one way or all three ways, and shows what `/` waited meanwhile.

import { JOBS, WAYS, runJob } from "./jobs.js";
import { Plot, feeling } from "./plot.js";

/** How long `/` is watched before jobs are fired, and after the last has ended, in milliseconds. */
const QUIET = 2000;

/** A worker that has no last word within this after a stop, in milliseconds, is given up: its script may be on its way yet. */
const LAST_WORD = 1000;

/** The page's clock, which the worker that asks for `/` shares. */
const now = () => performance.timeOrigin + performance.now();

const find = (selector, within = document) => within.querySelector(selector);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Figures that change faster than this, in milliseconds, nobody can read. */
const readable = () => (calm.matches ? 500 : 150);

const inWords = { inline: "inline", block: "through web::block", plugin: "through the plugin" };

/** What the server says of itself; set once before anything can be fired. */
let server = null;

// ---- Asking for `/` ----

/** The worker, and the run that it asks for. A worker that has failed is replaced when the next run begins. */
const pings = {
  worker: null,
  number: 0,
  loaded: 0,

  load() {
    // One address each, or the browser might let it wait for the script of one that was given up.
    const worker = new Worker(this.loaded === 0 ? "/lab/pings.js" : `/lab/pings.js?again=${this.loaded}`);
    this.loaded += 1;
    worker.onerror = () => this.discard(worker);
    this.worker = worker;
  },

  discard(worker) {
    worker.terminate();
    if (this.worker === worker) this.worker = null;
  },

  /** Asks for `/` from now on. Resolves with the last word of the worker, also if that is `failed`, which is told why. */
  start(run, failed) {
    if (!this.worker) this.load();
    const { worker } = this;
    this.number += 1;
    const { number } = this;
    return new Promise((resolve) => {
      worker.onmessage = ({ data }) => {
        if (data.run !== number) return;
        if (data.kind === "ended") resolve();
        else run.hear(data);
      };
      worker.onerror = ({ message }) => {
        this.discard(worker);
        failed(new Error(`the worker that asks for / ended: ${message || "its script cannot be loaded"}`));
        resolve();
      };
      worker.postMessage({ kind: "start", run: number });
    });
  },

  /** Asks no more, and waits for the last word: that comes with the last answer, or at once when told to stop. */
  async end(ended, stop) {
    const { worker } = this;
    if (!worker) return;
    worker.postMessage({ kind: "end" });
    const silent = new Promise((resolve) => {
      const cut = () => {
        worker.postMessage({ kind: "cut" });
        setTimeout(resolve, LAST_WORD, true);
      };
      if (stop.aborted) cut();
      else stop.addEventListener("abort", cut, { once: true });
    });
    if (await Promise.race([ended, silent])) this.discard(worker);
  },
};

// Before the first run, so that its first question is in time.
pings.load();

/** What one run has found. Times are of the page's clock, in milliseconds. */
class Run {
  begin = now();
  end = null;
  fired = null;
  allDone = null;
  /** Since when the oldest question that is under way has been due. */
  since = null;
  answers = [];
  waits = [];
  lost = 0;
  outcomes = { done: 0, refused: 0, failed: 0 };

  constructor(jobs) {
    this.jobs = jobs;
  }

  hear({ kind, since, at, waits, lost }) {
    if (kind === "asked") {
      this.since = since;
      return;
    }
    this.since = null;
    this.answers.push({ since: at - waits[0], at, lost });
    // Whoever gets an error has waited as well, and at least so long.
    this.waits.push(...waits);
    if (lost) this.lost += waits.length;
  }

  /** The wait that shows at a moment: the one that grows, or the longest of those that just ended. */
  wait(at) {
    const recent = this.answers.filter((answer) => answer.at > at - readable()).map((answer) => answer.at - answer.since);
    const latest = this.answers.at(-1);
    const ended = recent.length > 0 ? Math.max(...recent) : latest && latest.at - latest.since;
    const growing = this.since === null ? 0 : at - this.since;
    return ended === undefined && growing === 0 ? null : Math.max(growing, ended ?? 0);
  }

  /** The wait that this part of all waits does not exceed. */
  quantile(part) {
    if (this.waits.length === 0) return null;
    const sorted = this.waits.toSorted((one, other) => one - other);
    return sorted[Math.ceil(part * sorted.length) - 1];
  }

  get longest() {
    return this.waits.length === 0 ? null : this.waits.reduce((one, other) => Math.max(one, other));
  }
}

// ---- One way to run jobs ----

class Panel {
  constructor(way) {
    this.way = way;
    this.section = find(`[data-panel=${way}]`);
    this.section.append(find("#figures").content.cloneNode(true));
    this.canvas = find("canvas", this.section);
    this.plot = new Plot(this.canvas);
    this.fire = find("[data-fire]", this.section);
    this.told = 0;
  }

  set state(state) {
    this.section.dataset.state = state;
  }

  /** Watches `/`, fires the jobs, and watches on until they and `/` have calmed down. */
  async measure(plan, stop) {
    const run = new Run(plan.count);
    const ending = follow(stop);
    const over = ending.signal;
    const ended = pings.start(run, (why) => ending.abort(why));
    this.plot.show(run);
    this.state = "running";
    let watching = true;
    const watch = () => {
      if (!watching) return;
      this.tell(run, now());
      if (calm.matches) setTimeout(watch, readable());
      else requestAnimationFrame(watch);
    };
    watch();
    try {
      await pause(QUIET, over);
      run.fired = now();
      await Promise.all(Array.from({ length: plan.count }, async () => {
        const outcome = await runJob(JOBS[plan.job], plan.size, this.way, over);
        run.outcomes[outcome] += 1;
      }));
      run.allDone = now();
      await pause(QUIET, over);
    } finally {
      await pings.end(ended, stop);
      watching = false;
      run.end = now();
      run.allDone ??= run.fired && run.end;
      this.state = stop.aborted ? "stopped" : over.aborted ? "failed" : "done";
      this.told = 0;
      this.tell(run, null);
    }
    // A run that was cut while the last answer was waited for is none, either.
    over.throwIfAborted();
    return run;
  }

  /** Draws and writes what is known; at the end of a run, `at` is null. */
  tell(run, at) {
    this.plot.draw(at);
    if (performance.now() - this.told < readable() && at !== null) return;
    this.told = performance.now();
    const show = (name, text) => {
      const place = find(`[data-${name}]`, this.section);
      if (place.textContent !== text) place.textContent = text;
    };
    const longest = run.longest;
    // After a run the large figure is what one remembers of it: its longest wait.
    const wait = at === null ? longest : run.wait(at);
    const felt = wait === null ? null : feeling(wait);
    show("now", time(wait));
    const failed = at === null ? run.lost > 0 : run.answers.at(-1)?.lost;
    const words = failed ? "not answered" : felt?.words ?? "asking";
    show("verdict", at === null && felt && !failed ? `longest: ${words}` : words);
    this.section.dataset.feeling = failed ? "bad" : felt?.color.slice(2) ?? "";
    const p50 = run.quantile(0.5);
    const p99 = run.quantile(0.99);
    show("p50", time(p50));
    show("p99", time(p99));
    show("max", time(longest));
    show("jobs", jobsDone(run));
    const { dataset } = this.section;
    dataset.p50Ms = round(p50);
    dataset.p99Ms = round(p99);
    dataset.maxMs = round(longest);
    dataset.jobsDone = run.outcomes.done;
    dataset.lost = run.lost;
    if (at === null) this.canvas.setAttribute("aria-label", this.describe(run, p50, p99, longest));
  }

  /** The plot for those who do not see it. */
  describe(run, p50, p99, longest) {
    const second = (at) => `${((at - run.begin) / 1000).toFixed(1)} s`;
    const jobs = run.fired === null ? "No jobs were fired." : `Jobs ran from ${second(run.fired)} to ${second(run.allDone)}.`;
    return `Latency of / over ${second(run.end)} while jobs run ${inWords[this.way]}: `
      + `half of all waits up to ${time(p50)}, 99 % up to ${time(p99)}, the longest ${time(longest)}. ${jobs}`;
  }
}

function jobsDone({ outcomes, jobs, fired, allDone, lost }) {
  const parts = [`${outcomes.done} of ${jobs}`];
  if (outcomes.refused > 0) parts.push(`${outcomes.refused} refused (503)`);
  if (outcomes.failed > 0) parts.push(`${outcomes.failed} failed`);
  if (fired !== null && allDone !== null && outcomes.done > 0) parts.push(`in ${time(allDone - fired)}`);
  if (lost > 0) parts.push(`/ failed ${times(lost)}`);
  return parts.join(", ");
}

const times = (number) => (number === 1 ? "once" : `${number} times`);

/** A time in milliseconds, as people say it. */
function time(ms) {
  if (ms === null) return "–";
  if (ms >= 950) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 9.5 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

const round = (ms) => (ms === null ? "" : ms.toFixed(1));

/** What is over when `signal` is, or earlier. */
function follow(signal) {
  const own = new AbortController();
  const abort = () => own.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return own;
}

/** Lets time pass; rejects at once when told to stop. */
function pause(ms, stop) {
  return new Promise((resolve, reject) => {
    stop.throwIfAborted();
    const stopped = () => {
      clearTimeout(timer);
      reject(stop.reason);
    };
    const timer = setTimeout(() => {
      stop.removeEventListener("abort", stopped);
      resolve();
    }, ms);
    stop.addEventListener("abort", stopped, { once: true });
  });
}

// ---- The controls ----

const form = find("#plan");
const runAll = find("#run-all");
const stopButton = find("#stop");
const slider = find("#size");
const summary = find("#summary");
const panels = Object.keys(WAYS).map((way) => new Panel(way));

/** Ends what is under way, if anything is. */
let stopping = null;

/** The size that was last chosen for each job. */
const sizes = {};

const chosen = () => ({
  job: form.elements.job.value,
  count: Number(form.elements.count.value),
  size: Number(slider.value),
});

function offerSizes() {
  const { job } = chosen();
  const { min, max, step, value } = JOBS[job][server.optimised ? "fast" : "slow"];
  Object.assign(slider, { min, max, step });
  slider.value = sizes[job] ?? value;
  nameSize();
}

function nameSize() {
  const { job, size } = chosen();
  sizes[job] = size;
  const text = JOBS[job].text(size);
  find("#size-text").textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

/** What to do so that inline jobs show what they do: on many loops some stay free. */
function advise() {
  const { event_loops: loops } = server;
  const advice = find("#advice");
  advice.hidden = loops === 1;
  if (loops === 1) return;
  const { count } = chosen();
  const jobs = count === 1 ? "with one job" : `with ${count} at once`;
  const more = count < 4 && loops <= 4 ? ", fire 4 at once or, better," : ",";
  advice.textContent = `This server runs ${loops} event loops, and an inline job freezes the one that it came to: ${jobs}, `
    + `/ may land on a free one and look fine. For the clear picture${more} start the demo with --workers 1.`;
}

function describeServer() {
  const { offload, event_loops: loops, lane_threads: threads, optimised } = server;
  const parts = [loops === 1 ? "1 event loop" : `${loops} event loops`];
  parts.push(offload === "off" ? "no plugin (--offload off)" : `${threads} lane threads`);
  if (!optimised) parts.push("a debug build, in which jobs take longer");
  find("#server").textContent = `This server: ${parts.join(", ")}.`;
  if (offload === "off") {
    find("[data-panel=plugin] .way").textContent = "The plugin is off (--offload off): this runs inline now, like the first.";
    inWords.plugin = "where the plugin would be (it is off)";
  }
}

/** Says which routes are asked. */
function nameRoutes() {
  const { path } = JOBS[chosen().job];
  const routes = Object.values(WAYS).map((way) => Object.assign(document.createElement("code"), { textContent: way + path }));
  find("#routes").replaceChildren(...routes.flatMap((route, at) => (at === 0 ? [route] : [", ", route])));
}

function setState(state) {
  document.body.dataset.state = state;
  const running = state === "running";
  for (const button of [runAll, ...panels.map(({ fire }) => fire)]) button.setAttribute("aria-disabled", String(running));
  stopButton.setAttribute("aria-disabled", String(!running));
}

/** Measures these panels one after the other, and says what was found. */
async function experiment(which) {
  if (stopping || !server) return;
  stopping = new AbortController();
  const stop = stopping.signal;
  const plan = chosen();
  setState("running");
  for (const { section } of which) section.dataset.state = "waiting";
  const found = [];
  try {
    for (const panel of which) {
      summary.textContent = `Measuring / while jobs run ${inWords[panel.way]}…`;
      found.push([panel.way, await panel.measure(plan, stop)]);
    }
    summary.textContent = sentence(found);
    setState("done");
  } catch (error) {
    if (!stop.aborted) {
      summary.textContent = `This run has failed: ${error.message}. Another one may be started.`;
      setState("failed");
      throw error;
    }
    summary.textContent = "Stopped. What the server has begun to compute goes on until it ends.";
    setState("idle");
  } finally {
    stopping = null;
    for (const { section } of which) if (section.dataset.state === "waiting") section.dataset.state = "idle";
  }
}

/** “Inline, / waited 3.1 s; through web::block 12 ms; through the plugin 3 ms.” */
function sentence(found) {
  const parts = found.map(([way, run], at) => {
    const words = at === 0 ? inWords[way][0].toUpperCase() + inWords[way].slice(1) : inWords[way];
    if (run.longest === null) return `${words}${at === 0 ? "," : ""} / gave no answer`;
    const failed = run.lost > 0 ? ` and failed ${times(run.lost)}` : "";
    return `${words}${at === 0 ? ", / waited" : ""} ${time(run.longest)}${failed}`;
  });
  return `${parts.join("; ")}.`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  experiment(panels);
});
for (const panel of panels) panel.fire.addEventListener("click", () => experiment([panel]));
stopButton.addEventListener("click", () => stopping?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stopping?.abort();
});
slider.addEventListener("input", nameSize);
form.addEventListener("change", ({ target }) => {
  if (target.name === "job") {
    offerSizes();
    nameRoutes();
  }
  advise();
});
dark.addEventListener("change", () => panels.forEach(({ plot }) => plot.recolor()));

try {
  const answer = await fetch("/lab/setup", { cache: "no-store", signal: AbortSignal.timeout(30_000) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  server = await answer.json();
  offerSizes();
  nameRoutes();
  advise();
  describeServer();
  summary.textContent = "Ready. A run takes about four seconds for each way, and as long as its jobs.";
  setState("idle");
} catch (error) {
  summary.textContent = `The server did not say how it is set up (${error.message}). Reload the page to try again.`;
  setState("failed");
}
