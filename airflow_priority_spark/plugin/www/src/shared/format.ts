// SPDX-License-Identifier: Apache-2.0
// Amounts, durations and instants in words.

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

const short = (value: number): string =>
  value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0, useGrouping: false });

const isBytes = (resource: string) => /memory|storage|hugepages/.test(resource) && !/claims|count\//.test(resource);

const isCpu = (resource: string) => resource === "cpu" || /^(requests|limits)\.cpu$/.test(resource);

/** `96 GiB`, `1.5 CPU`, `3`. */
export const amount = (resource: string, value: number): string => {
  if (isCpu(resource)) return `${short(value / 1000)} CPU`;
  if (!isBytes(resource)) return short(value);
  let unit = 0;
  let size = value;
  while (Math.abs(size) >= 1024 && unit < BINARY.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${short(size)} ${BINARY[unit]}`;
};

/** As manifests write it, without loss: `1500m`, `96Gi`, `3`. */
export const quantity = (resource: string, value: number): string => {
  if (isCpu(resource)) return value % 1000 === 0 ? String(value / 1000) : `${value}m`;
  let unit = 0;
  let size = value;
  while (isBytes(resource) && size > 0 && size % 1024 === 0 && unit < BINARY.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return unit === 0 ? String(value) : `${size}${(BINARY[unit] ?? "").slice(0, 2)}`;
};

/** `2 CPU, 96 GiB memory, 3 pods`: what a job asks for, most telling first. */
export const amounts = (demand: Record<string, number>): string => {
  const first = ["cpu", "memory"];
  const names = [...first.filter((name) => name in demand), ...Object.keys(demand).filter((n) => !first.includes(n))];
  return names
    .filter((name) => demand[name] !== 0)
    .map((name) => (isCpu(name) ? amount(name, demand[name] ?? 0) : `${amount(name, demand[name] ?? 0)} ${name}`))
    .join(", ");
};

const STEPS: [number, string][] = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** From ten minutes on nobody counts them. */
const SECONDS_MATTER = 600;

/** `41 min`, `2 h 5 min`, `3 d 4 h`: the two greatest units. */
export const duration = (seconds: number): string => {
  let rest = Math.max(0, Math.floor(seconds));
  const parts: string[] = [];
  for (const [size, unit] of STEPS) {
    if (parts.length === 2 || (unit === "s" && seconds >= SECONDS_MATTER)) break;
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    rest -= count * size;
  }
  return parts.join(" ") || "0 s";
};

/** The clock of a page stands still between two ticks: what happened since is not to come. */
const TICK_SECONDS = 6;

/** `41 min ago`, `in 1 min`. */
export const relative = (instant: string, now: number): string => {
  const seconds = (now - Date.parse(instant)) / 1000;
  if (seconds < 1 && seconds > -TICK_SECONDS) return "now";
  return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
};

/** The zone that the reader chose in Airflow's own menu. */
export const timeZone = (): string => {
  try {
    const chosen: unknown = JSON.parse(localStorage.getItem("timezone") ?? "null");
    if (typeof chosen === "string") return chosen;
  } catch {
    // Not ours to repair: another version of the host may store it otherwise.
  }
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
};

/** `2026-11-21 08:29:19`, as Airflow writes instants. */
export const absolute = (instant: string, zone: string = timeZone()): string => {
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
  const parts = Object.fromEntries(format.formatToParts(new Date(instant)).map((part) => [part.type, part.value]));
  return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}:${parts.second}`;
};

/** How far a zone is ahead of UTC at an instant, in milliseconds. */
const ahead = (instant: number, zone: string) =>
  Date.parse(`${absolute(new Date(instant).toISOString(), zone).replace(" ", "T")}Z`) - Math.floor(instant / 1000) * 1000;

/** The instant that `2026-11-21T08:29`, as fields for dates have it, means in a zone; "" for none. */
export const toInstant = (local: string, zone: string): string => {
  const asUtc = Date.parse(`${local}Z`);
  if (Number.isNaN(asUtc)) return "";
  // The second look is for the hours around a change of the clocks.
  const near = asUtc - ahead(asUtc, zone);
  return new Date(asUtc - ahead(near, zone)).toISOString();
};

/** And back. */
export const toLocal = (instant: string | undefined, zone: string): string =>
  instant === undefined || Number.isNaN(Date.parse(instant)) ? "" : absolute(instant, zone).replace(" ", "T").slice(0, 16);

export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
