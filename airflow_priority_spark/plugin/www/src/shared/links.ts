// SPDX-License-Identifier: Apache-2.0
// Addresses of Airflow's own pages, for the host's router, and of this view's.
import type { Job } from "../api/types";

const part = encodeURIComponent;

export const dagPath = (dagId: string) => `/dags/${part(dagId)}`;

export const runPath = (dagId: string, runId: string) => `${dagPath(dagId)}/runs/${part(runId)}`;

export const taskPath = (job: Job) => {
  const task = `${runPath(job.dag_id, job.run_id)}/tasks/${part(job.task_id)}`;
  return job.map_index < 0 || job.mapped !== null ? task : `${task}/mapped/${job.map_index}`;
};

export const QUEUES_PATH = "/plugin/spark-queues";

/** A folded row is named by how many jobs it stands for. */
export const rowName = (job: Pick<Job, "task_id" | "map_index" | "mapped">) =>
  job.mapped === null ? jobName(job) : `${job.task_id} (${job.mapped.count} mapped)`;

/** `spark_jobs.load [7]`: a task as people name it. */
export const jobName = (job: Pick<Job, "task_id" | "map_index">) =>
  job.map_index < 0 ? job.task_id : `${job.task_id} [${job.map_index}]`;
