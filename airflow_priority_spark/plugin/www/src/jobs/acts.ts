// SPDX-License-Identifier: Apache-2.0
// What a person may do to jobs. Which of these a job allows, to this person and now, the API says in `actions`.
import { apiUrl, Problem, read, send } from "../api/client";
import { reloadAll } from "../api/live";
import type { ActionName, BulkAnswer, Job, JobPage, JobState } from "../api/types";

export type Act = Extract<ActionName, "pool" | "hold" | "release" | "cancel" | "requeue" | "legacy" | "demand"> | "first";

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
  demand: {
    label: "Change demand", needs: "demand",
    meaning: "So much room is reserved for it from now on. Its application stays what its author wrote.",
  },
  hold: { label: "Hold", needs: "hold", meaning: "It is kept aside until somebody releases it; later jobs pass it." },
  release: { label: "Release", needs: "release", meaning: "It waits in line again." },
  requeue: { label: "Requeue", needs: "requeue", meaning: "It goes back into the queue, with a new clock." },
  legacy: {
    label: "Send to legacy", needs: "legacy",
    meaning: "It leaves the queue and is submitted to the cluster at once, whether it fits or not. Works without an arbiter.",
  },
  cancel: { label: "Cancel", needs: "cancel", harmful: true, meaning: "Its task fails now, without retries." },
};

export const BULK_ACTS: readonly Act[] = ["pool", "hold", "release", "requeue", "legacy", "cancel"];

/** A row that stands for a mapped task offers what can be done to many. */
export const offered = (job: Job): Act[] =>
  (Object.keys(ACTS) as Act[]).filter(
    (act) => job.actions.includes(ACTS[act].needs) && (job.mapped === null || !(act === "first" || act === "demand")),
  );

export const actOnJob = async (job: Job, act: Act, reason: string, pool: string): Promise<void> => {
  if (job.mapped !== null) {
    const { changed, refused } = await actOnMany({ rows: [job] }, act, reason, pool);
    if (changed === 0 && refused[0] !== undefined) throw new Problem(409, "Refused", refused[0].detail);
    return;
  }
  const path = `jobs/${encodeURIComponent(job.id)}`;
  if (act === "pool") await send("PATCH", path, { pool, reason });
  else if (act === "first") await send("PATCH", path, { position: "first", reason });
  else await send("POST", `${path}/${act}`, { reason });
  reloadAll();
};

const PAGE = 500;

/** The jobs of a mapped task that wait: what a folded row stands for. */
const mappedIds = async (row: Job): Promise<string[]> => {
  const ids: string[] = [];
  let after: string | null = "";
  while (after !== null) {
    const { dag_id, run_id, task_id } = row;
    const states: JobState[] = ["queued", "held"];
    const url: string = apiUrl("jobs", { dag_id, run_id, search: task_id, state: states, limit: PAGE, after });
    const page: JobPage = await read<JobPage>(url);
    ids.push(...page.jobs.filter((job) => job.task_id === task_id && job.map_index >= 0).map((job) => job.id));
    after = page.next;
  }
  return ids;
};

/** All jobs that these rows stand for. */
const idsOf = async (rows: Job[]): Promise<string[]> =>
  (await Promise.all(rows.map((row) => (row.mapped === null ? [row.id] : mappedIds(row))))).flat();

export const numberOf = (rows: Job[]): number => rows.reduce((sum, row) => sum + (row.mapped?.count ?? 1), 0);

/** As many ids as the API takes at once. */
const AT_ONCE = 1000;

/** Which jobs: those of some rows, or all that a filter selects. */
export type Selected = { rows: Job[] } | { filter: Record<string, string | readonly string[]> };

export const actOnMany = async (selected: Selected, act: Act, reason: string, pool: string): Promise<BulkAnswer> => {
  const body = { action: act, ...(act === "pool" ? { pool } : {}), reason };
  const whole: BulkAnswer = { changed: 0, refused: [], refused_count: 0 };
  const add = async (jobs: object) => {
    const answer = await send<BulkAnswer>("POST", "jobs/bulk", { ...body, ...jobs });
    whole.changed += answer.changed;
    whole.refused.push(...answer.refused);
    whole.refused_count += answer.refused_count;
  };
  try {
    if ("filter" in selected) await add({ filter: selected.filter });
    else {
      const ids = await idsOf(selected.rows);
      for (let start = 0; start < ids.length; start += AT_ONCE) await add({ ids: ids.slice(start, start + AT_ONCE) });
    }
  } finally {
    reloadAll();
  }
  return whole;
};
