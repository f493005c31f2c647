// How figures are written: three digits at most, and a unit.

const THIN = "\u202f";

/** Seconds, in the unit that suits them. */
export function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return "–";
  if (seconds === 0) return "0";
  if (seconds < 0.999e-3) return `${digits(seconds * 1e6)}${THIN}µs`;
  if (seconds < 0.9995) return `${digits(seconds * 1e3)}${THIN}ms`;
  if (seconds < 120) return `${digits(seconds)}${THIN}s`;
  return span(seconds);
}

/** A long time, in its two largest units. */
export function span(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => seconds >= size));
  if (seconds < 60) return `${Math.floor(seconds)}${THIN}s`;
  const parts = [];
  let rest = Math.floor(seconds);
  for (const [unit, size] of units.slice(first, first + 2)) {
    parts.push(`${Math.floor(rest / size)}${THIN}${unit}`);
    rest %= size;
  }
  return parts.join(" ");
}

/** How long ago. */
export function ago(seconds) {
  return seconds < 1 ? "just now" : `${span(seconds)} ago`;
}

export function rate(perSecond) {
  if (perSecond == null) return "–";
  return `${number(perSecond)}/s`;
}

/** A number that may be a fraction. */
export function number(value) {
  if (value === 0) return "0";
  if (value < 0.05) return "<0.1";
  if (value < 10) return value.toFixed(1);
  return count(Math.round(value));
}

export function count(value) {
  if (value < 10_000) return String(value);
  if (value < 999_500) return `${digits(value / 1e3)}${THIN}k`;
  if (value < 999.5e6) return `${digits(value / 1e6)}${THIN}M`;
  return `${digits(value / 1e9)}${THIN}G`;
}

export function percent(part) {
  return part == null ? "–" : `${Math.round(part * 100)}${THIN}%`;
}

function digits(value) {
  if (value < 9.995) return value.toFixed(2).replace(/\.?0+$/, "");
  if (value < 99.95) return value.toFixed(1).replace(/\.0$/, "");
  return String(Math.round(value));
}
