// What the jobs are, how large they can be, and how one is run.

/** After so long a job is given up, in milliseconds. */
const PATIENCE = 120_000;

const PASSWORD = JSON.stringify({ password: "correct horse battery staple" });

const whole = new Intl.NumberFormat("en");

/**
 * Sizes go from about 0.3 s to about 5 s of work on a common core; `slow` is for a program that was
 * built without optimisation.
 */
export const JOBS = {
  timer: {
    path: "/timer",
    fast: { min: 300, max: 5000, step: 100, value: 3000 },
    slow: { min: 300, max: 5000, step: 100, value: 3000 },
    text: (ms) => `${(ms / 1000).toFixed(1)} s of busy waiting`,
    target: (ms) => `/timer?ms=${ms}`,
  },
  json: {
    path: "/json/stringify",
    // The route makes no more than 5 million, which a fast build does within about a second.
    fast: { min: 1e6, max: 5e6, step: 1e5, value: 4e6 },
    slow: { min: 3e5, max: 3e6, step: 1e5, value: 1e6 },
    text: (items) => `${whole.format(items)} records`,
    target: (items) => `/json/stringify?items=${items}`,
  },
  sort: {
    path: "/sort",
    fast: { min: 4e6, max: 3e7, step: 1e6, value: 1.2e7 },
    slow: { min: 4e5, max: 5e6, step: 1e5, value: 1.5e6 },
    text: (n) => `${whole.format(n)} numbers`,
    target: (n) => `/sort?n=${n}`,
  },
  argon2: {
    path: "/hash",
    // One hash has one price, by design: a larger job is more of them, one after the other.
    fast: { min: 10, max: 150, step: 10, value: 40 },
    slow: { min: 10, max: 150, step: 10, value: 40 },
    text: (hashes) => `${hashes} hashes, one by one`,
    target: () => "/hash",
    post: PASSWORD,
    times: (hashes) => hashes,
  },
};

/** Where each way to run them begins. */
export const WAYS = { inline: "/inline", block: "/block", plugin: "" };

/**
 * Runs one job to its end.
 *
 * @returns {Promise<"done"|"refused"|"failed">} Rejects only if `stop` was told to.
 */
export async function runJob(job, size, way, stop) {
  const patience = new AbortController();
  const giveUp = () => patience.abort();
  const timer = setTimeout(giveUp, PATIENCE);
  stop.addEventListener("abort", giveUp);
  try {
    for (let left = job.times?.(size) ?? 1; left > 0; left -= 1) {
      const answer = await fetch(WAYS[way] + job.target(size), {
        cache: "no-store",
        signal: patience.signal,
        ...(job.post && { method: "POST", body: job.post, headers: { "content-type": "application/json" } }),
      });
      // The work is done when the answer begins. What is in it, up to 300 MB, nobody wants.
      if (job.post) await answer.arrayBuffer();
      else await answer.body?.cancel();
      if (answer.status === 503) return "refused";
      if (!answer.ok) return "failed";
    }
    return "done";
  } catch {
    stop.throwIfAborted();
    return "failed";
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", giveUp);
  }
}
