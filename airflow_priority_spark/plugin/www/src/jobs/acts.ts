// SPDX-License-Identifier: Apache-2.0
// What a person may do to jobs. Which of these a job allows, to this person and now, the API says in `actions`.
import { send } from "../api/client";
import { reloadAll } from "../api/live";
import type { ActionName, BulkAnswer, Job } from "../api/types";

export type Act = Extract<ActionName, "pool" | "hold" | "release" | "cancel" | "requeue" | "legacy"> | "first";

export interface ActMeaning {
  label: string;
  /** What the API calls the right to it. */
  needs: ActionName;
  meaning: string;
  harmful?: boolean;
}

export const ACTS: Record<Act, ActMeaning> = {
  pool: { label: "Change pool", needs: "pool", meaning: "It keeps its time of arrival and waits in the other priority pool." },
  first: { label: "Move to front", needs: "position", meaning: "It becomes the first of its priority pool." },
  hold: { label: "Hold", needs: "hold", meaning: "It is kept aside until somebody releases it; later jobs pass it." },
  release: { label: "Release", needs: "release", meaning: "It waits in line again." },
  requeue: { label: "Requeue", needs: "requeue", meaning: "It goes back into the queue, with a new clock." },
  legacy: {
    label: "Send to legacy", needs: "legacy",
    meaning: "It leaves the queue and is submitted to the cluster at once, whether it fits or not. Works without an arbiter.",
  },
  cancel: { label: "Cancel", needs: "cancel", harmful: true, meaning: "Its task fails now, without retries." },
};

export const BULK_ACTS: readonly Act[] = ["pool", "hold", "release", "requeue", "cancel"];

export const offered = (job: Job): Act[] =>
  (Object.keys(ACTS) as Act[]).filter((act) => job.actions.includes(ACTS[act].needs));

export const actOnJob = async (job: Job, act: Act, reason: string, pool: string): Promise<void> => {
  const path = `jobs/${encodeURIComponent(job.id)}`;
  if (act === "pool") await send("PATCH", path, { pool, reason });
  else if (act === "first") await send("PATCH", path, { position: "first", reason });
  else await send("POST", `${path}/${act}`, { reason });
  reloadAll();
};

/** Which jobs: some by id, or all that a filter selects. */
export type Selected = { ids: string[] } | { filter: Record<string, string | readonly string[]> };

export const actOnMany = async (
  selected: Selected, act: Act, reason: string, pool: string, dryRun = false,
): Promise<BulkAnswer> => {
  const body = { action: act, ...selected, ...(act === "pool" ? { pool } : {}), reason, dry_run: dryRun };
  const answer = await send<BulkAnswer>("POST", "jobs/bulk", body);
  if (!dryRun) reloadAll();
  return answer;
};
