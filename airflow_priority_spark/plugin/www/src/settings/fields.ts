// SPDX-License-Identifier: Apache-2.0
// What an administrator may set of a queue and of a priority pool, and how what was typed becomes what the API takes.
// Whether a value is allowed the API says; here nothing is checked twice.
import type { Setting } from "../api/types";

export interface SettingField {
  key: string;
  hint: string;
  /** Without it the value is a whole number. */
  options?: readonly string[];
  /** `requests.cpu: 40`, one in a line. */
  quantities?: boolean;
  /** Has no value to fall back to. */
  required?: boolean;
}

const HEADS: readonly SettingField[] = [
  { key: "head_timeout_seconds", hint: "A head blocked for so long times out; 0: never." },
  { key: "head_timeout_action", hint: "What becomes of it then.", options: ["cancel", "hold"] },
  { key: "head_retry_count", hint: "So often its clock starts anew before." },
  { key: "head_retry_position", hint: "Where it waits on a retry.", options: ["keep", "tail"] },
  { key: "head_protection_seconds", hint: "Blocked for so long, what frees up is kept for it; 0: never." },
];

const LIMIT: SettingField = { key: "job_limit", hint: "Most jobs admitted at once; empty: any number." };

export const QUEUE_FIELDS: readonly SettingField[] = [
  { key: "weight", hint: "Its share among the queues that share nodes.", required: true },
  { key: "policy", hint: "Pools by weight, or higher ones always first.", options: ["weighted", "strict"], required: true },
  LIMIT,
  ...HEADS,
  { key: "capacity", hint: "Its own limits beside quotas, as “requests.cpu: 40”, one in a line; empty: none.", quantities: true },
];

export const POOL_FIELDS: readonly SettingField[] = [
  { key: "weight", hint: "Its share among the pools of its queue.", required: true },
  LIMIT,
  ...HEADS,
];

export type Settings = Record<string, Setting>;
export type Typed = Record<string, string>;

const text = (value: unknown): string => {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([key, amount]) => `${key}: ${String(amount)}`).join("\n");
};

/** What the queue or pool has of its own; what it inherits is left empty. */
export const ownTexts = (fields: readonly SettingField[], settings: Settings, scope: "queue" | "pool"): Typed =>
  Object.fromEntries(
    fields.map(({ key }) => [key, settings[key]?.source === scope ? text(settings[key].value) : ""]),
  );

/** What holds while a field is empty. */
export const inherited = ({ key }: SettingField, settings: Settings, scope: "queue" | "pool"): string => {
  const setting = settings[key];
  if (setting === undefined || setting.source === scope) return "";
  return `${text(setting.value)} (${setting.source})`;
};

const quantitiesOf = (typed: string): unknown => {
  const pairs = typed.split("\n").filter((line) => line.trim() !== "").map((line) => line.split(":").map((part) => part.trim()));
  return pairs.every((pair) => pair.length === 2) ? Object.fromEntries(pairs as [string, string][]) : typed;
};

const parsed = (field: SettingField, typed: string): unknown => {
  const trimmed = typed.trim();
  if (trimmed === "") return null;
  if (field.quantities) return quantitiesOf(typed);
  return field.options === undefined && /^-?\d+$/.test(trimmed) ? Number(trimmed) : trimmed;
};

export interface FieldChange {
  key: string;
  before: string;
  after: string;
  value: unknown;
}

/** Only what differs is sent: somebody else may change another value at the same time. */
export const changesOf = (fields: readonly SettingField[], before: Typed, after: Typed): FieldChange[] =>
  fields
    .filter(({ key }) => (before[key] ?? "").trim() !== (after[key] ?? "").trim())
    .map((field) => ({
      key: field.key, before: before[field.key] ?? "", after: after[field.key] ?? "", value: parsed(field, after[field.key] ?? ""),
    }));
