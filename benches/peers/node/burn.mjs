// Spins for some milliseconds of CPU time.
//
// Node 20 cannot read a thread's CPU clock. So a millisecond is a number of rounds, measured once when the process
// starts. Its cluster workers and worker threads inherit the number in their environment.
const TRIAL = 1_000_000;

// The engine must not find out that nobody needs the result.
let sink = 1;

// Each round waits for the one before it, so that it takes the same time whatever else the core does.
function spin(rounds) {
  let x = sink;
  for (let i = 0; i < rounds; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
  sink = x;
}

// CPU time leaves out what other processes take, and the median leaves out what the compiler takes at first.
function calibrate() {
  const times = [];
  for (let i = 0; i < 9; i++) {
    const start = process.cpuUsage();
    for (let j = 0; j < 20; j++) spin(TRIAL);
    const { user, system } = process.cpuUsage(start);
    times.push((user + system) / 1000);
  }
  const median = times.sort((a, b) => a - b)[4];
  return Math.round((20 * TRIAL) / median);
}

const measured = calibrate();
const ROUNDS_PER_MS = Number((process.env.BURN_ROUNDS_PER_MS ??= String(measured)));

export function burn(ms) {
  for (let i = 0; i < ms; i++) spin(ROUNDS_PER_MS);
}
