// SPDX-License-Identifier: Apache-2.0
// What the REST API answers. Amounts are in base units: cpu in thousandths of a core, the rest in bytes or pieces.

export type Amounts = Record<string, number>;

export type JobState =
  | "held" | "queued" | "admitted" | "submitted" | "running" | "succeeded" | "failed" | "cancelled";

export type ActionName = "hold" | "release" | "cancel" | "requeue" | "legacy" | "pool" | "position" | "demand";

export interface Me {
  user: string;
  can_act: boolean;
  can_edit_queues: boolean;
  time_zone?: string | null;
}

export interface ResourceUse {
  resource: string;
  hard: number | null;
  used: number;
  granted: number;
  free: number | null;
  holder: string | null;
}

export interface PoolHead {
  job_id: string | null;
  dag_id: string | null;
  task_id: string | null;
  sentence: string;
  blocking_resource: string | null;
  blocked_seconds: number | null;
  protecting: boolean;
}

export interface PoolLane {
  name: string;
  weight: number;
  length: number;
  held: number;
  active: number;
  running: number;
  job_limit: number | null;
  oldest_wait_seconds: number | null;
  average_wait_seconds: number | null;
  head: PoolHead | null;
  late: boolean;
}

export interface Queue {
  id: number;
  cluster_id: string;
  cluster: string;
  namespace: string;
  weight: number;
  policy: string;
  paused: boolean;
  draining: boolean;
  length: number;
  held: number;
  active: number;
  running: number;
  job_limit: number | null;
  oldest_wait_seconds: number | null;
  average_wait_seconds: number | null;
  blocking: string[];
  pools: PoolLane[];
  resources: ResourceUse[];
}

export interface Queues {
  queues: Queue[];
  hidden_jobs: number;
  taken_at: string | null;
}

export interface Setting {
  value: unknown;
  source: string;
  since?: string | null;
  by?: string | null;
  description?: string | null;
}

export interface Verdict {
  resource: string;
  needed: number | null;
  free: number | null;
  holder: string | null;
  detail: string | null;
  sentence: string;
}

export interface Job {
  id: string;
  dag_id: string;
  run_id: string;
  task_id: string;
  map_index: number;
  try_number: number;
  cluster: string;
  namespace: string;
  queue_id: number;
  pool: string;
  state: JobState;
  flow: string;
  position: number | null;
  ahead: number | null;
  wait_seconds: number;
  blocking_resource: string | null;
  verdict: Verdict | null;
  ineligible: string | null;
  held_reason: string | null;
  sentence: string;
  reason: string;
  demand: Amounts;
  admission: number;
  reschedules: number;
  application: string | null;
  application_state: string | null;
  user: string | null;
  team: string | null;
  service: string | null;
  queued_at: string;
  admitted_at: string | null;
  submitted_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  actions: ActionName[];
  mapped: { count: number; states: Partial<Record<JobState, number>> } | null;
}

export interface JobPage {
  jobs: Job[];
  next: string | null;
  hidden: number;
  total: number | null;
}

export interface JobEvent {
  id: number;
  at: string;
  from_state: JobState | null;
  to_state: JobState;
  reason: string;
  actor: string | null;
}

export interface AheadJob {
  id: string | null;
  pool: string;
  dag_id: string | null;
  task_id: string | null;
  sentence: string;
}

export interface PodSet {
  count: number;
  requests: Amounts;
  limits: Amounts;
  node_selector: Record<string, string>;
  tolerations: Record<string, unknown>[];
}

export interface DemandDetail {
  driver: PodSet | null;
  executor: PodSet | null;
  objects: Amounts;
  explain: string;
  /** What its author asks for, while a person has set another demand. */
  declared: string | null;
  exceeded: boolean;
}

export interface Grant {
  admission: number;
  unchecked: boolean;
  granted_at: string;
  valid_until: string;
}

export interface JobDetail extends Job {
  demand_detail: DemandDetail;
  events: JobEvent[];
  grant: Grant | null;
  ahead_jobs: AheadJob[];
  waits_in_airflow: string | null;
}

export interface Arbiter {
  leader: string | null;
  alive: boolean;
  last_cycle_at: string | null;
  idle_seconds: number | null;
  banner: string | null;
}

export interface BulkAnswer {
  changed: number;
  /** The first of them, each with its reason. */
  refused: { id: string; detail: string }[];
  refused_count: number;
}

export interface HistoryLine {
  cluster: string;
  namespace: string;
  pool: string;
  depth: number[];
  admitted: number[];
  average_wait_seconds: (number | null)[];
  longest_wait_seconds: (number | null)[];
}

export interface UsedQuota {
  cluster: string;
  namespace: string;
  resource: string;
  hard: (number | null)[];
  used: (number | null)[];
}

export interface History {
  at: string[];
  step_seconds: number;
  lines: HistoryLine[];
  usage: UsedQuota[];
}

export interface HeatCell {
  hour: string;
  resource: string;
  job_seconds: number;
}

export interface HeatMap {
  cells: HeatCell[];
}

/** A value that the site, a cluster, a queue or a pool has of its own. */
export interface SettingRow extends Setting {
  scope: string;
  where: string;
  queue_id: number | null;
  key: string;
}

/** A deployment flow that was set for many jobs. */
export interface Flow {
  scope: string;
  value: string;
  flow: string;
  since: string;
  by: string;
}

export interface Migrated {
  override: boolean;
  moved: number;
  stayed: { id: string; detail: string }[];
  stayed_count: number;
  dry_run: boolean;
}

export interface QueueSettings {
  settings: Record<string, Setting>;
  pool_settings: Record<string, Record<string, Setting>>;
}
