// Asks for `/` at a fixed cadence, in a worker: on a thread of its own no drawing delays it, and a tab
// in the background keeps its pace.
//
// The moments at which `/` is due are fixed beforehand (open loop). Only one question is under way at a
// time; a moment that comes meanwhile waits for the same answer, and its wait counts from when it was
// due. So an answer that hangs is as bad here as it is for everybody who came while it hung.

/** Between two moments at which `/` is due, in milliseconds. */
const CADENCE = 50;

/** After so long a question is given up, and its wait counted as that. */
const PATIENCE = 60_000;

/** The page's clock: both threads can compare what it says. */
const now = () => performance.timeOrigin + performance.now();

class Pings {
  #run;
  #due = now();
  #waiting = [];
  #asking = null;
  #timer = 0;
  #ending = false;

  constructor(run) {
    this.#run = run;
    this.#tick();
  }

  /** No more questions. `cut` also gives up the one under way; its wait so far still counts. */
  end(cut) {
    this.#ending = true;
    clearTimeout(this.#timer);
    if (!this.#asking) this.#say({ kind: "ended" });
    else if (cut) this.#asking.abort();
  }

  #tick() {
    this.#collect(now());
    if (!this.#asking && this.#waiting.length > 0) this.#ask();
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, this.#due - now()));
  }

  /** Notes the moments that have come. */
  #collect(at) {
    // If this thread itself slept, as when a laptop is closed, the server is not to blame.
    if (!this.#asking && at - this.#due > 2 * CADENCE) this.#due = at;
    for (; this.#due <= at; this.#due += CADENCE) this.#waiting.push(this.#due);
  }

  async #ask() {
    const asking = new AbortController();
    this.#asking = asking;
    const patience = setTimeout(() => asking.abort(), PATIENCE);
    this.#say({ kind: "asked", since: this.#waiting[0] });
    let lost = false;
    try {
      const answer = await fetch("/", { cache: "no-store", signal: asking.signal });
      await answer.arrayBuffer();
      lost = !answer.ok;
    } catch {
      // Given up is a wait; a connection that was refused or cut is none.
      lost = !asking.signal.aborted;
    }
    clearTimeout(patience);
    const at = now();
    if (!this.#ending) this.#collect(at);
    const waits = this.#waiting.map((due) => at - due);
    this.#waiting = [];
    this.#asking = null;
    this.#say({ kind: "answered", at, waits, lost });
    if (this.#ending) this.#say({ kind: "ended" });
  }

  #say(event) {
    postMessage({ run: this.#run, ...event });
  }
}

let pings = null;

onmessage = ({ data }) => {
  if (data.kind === "start") pings = new Pings(data.run);
  else pings?.end(data.kind === "cut");
};
