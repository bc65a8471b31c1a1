// SPDX-License-Identifier: Apache-2.0
// A demand as fields of a form, and what of it a person has changed.
import type { DemandDetail } from "../api/types";
import { quantity } from "../shared/format";

export interface DemandField {
  /** `executor memory`, `executor count`. */
  label: string;
  pods: "driver" | "executor";
  /** A resource; null: how many pods. */
  resource: string | null;
  text: string;
}

export const demandFields = ({ driver, executor }: DemandDetail): DemandField[] =>
  (["driver", "executor"] as const).flatMap((pods) => {
    const set = pods === "driver" ? driver : executor;
    if (set === null) return [];
    const number: DemandField[] = pods === "driver" ? [] : [{ label: "executor count", pods, resource: null, text: String(set.count) }];
    const requests = Object.entries(set.requests).map(([resource, value]): DemandField => ({
      label: `${pods} ${resource}`, pods, resource, text: quantity(resource, value),
    }));
    return [...number, ...requests];
  });

interface Wanted {
  count?: number | string;
  requests?: Record<string, string>;
}

/** Only what differs; undefined when nothing does. What is no number is sent as it is, and refused in words. */
export const wantedDemand = (fields: DemandField[], typed: Record<string, string>) => {
  const wanted: Partial<Record<DemandField["pods"], Wanted>> = {};
  for (const { label, pods, resource, text } of fields) {
    const now = (typed[label] ?? text).trim();
    if (now === text) continue;
    const of = (wanted[pods] ??= {});
    if (resource === null) of.count = /^\d+$/.test(now) ? Number(now) : now;
    else (of.requests ??= {})[resource] = now;
  }
  return Object.keys(wanted).length === 0 ? undefined : wanted;
};
