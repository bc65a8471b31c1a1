// SPDX-License-Identifier: Apache-2.0
// A small API server in memory, typed as the real one, and a page to render on.
import { ChakraProvider, createSystem, defaultConfig } from "@chakra-ui/react";
import { render } from "@testing-library/react";
import { createMemoryRouter, RouterProvider } from "react-router-dom";
import { vi } from "vitest";
import type { Arbiter, Job, JobDetail, JobPage, Me, Queue, Queues } from "../src/api/types";
import { App, type HostProps } from "../src/App";

const GIB = 1024 ** 3;

export const job = (fields: Partial<Job> = {}): Job => ({
  id: "job-1", dag_id: "sales_daily", run_id: "run-1", task_id: "aggregate", map_index: -1, try_number: 1,
  cluster: "spark-prod", namespace: "team-a", queue_id: 1, pool: "normal", state: "queued", flow: "priority",
  position: 3, ahead: 2, wait_seconds: 2460, blocking_resource: "memory",
  verdict: null, ineligible: null, held_reason: null, sentence: "memory: needs 96 GiB, 40 GiB free of quota team-a",
  reason: "enqueued", demand: { cpu: 7000, memory: 96 * GIB, pods: 4 }, admission: 0, reschedules: 0,
  application: null, application_state: null, user: "alice", team: "sales", service: null,
  queued_at: "2026-01-01T12:00:00Z", admitted_at: null, submitted_at: null, started_at: null, ended_at: null,
  actions: ["hold", "cancel", "legacy", "pool", "demand", "position"], mapped: null, ...fields,
});

export const detail = (fields: Partial<JobDetail> = {}): JobDetail => ({
  ...job(),
  demand_detail: {
    driver: { count: 1, requests: { cpu: 1000, memory: GIB }, limits: {}, node_selector: {}, tolerations: [] },
    executor: { count: 3, requests: { cpu: 2000, memory: 31 * GIB }, limits: {}, node_selector: {}, tolerations: [] },
    objects: {}, explain: "1 driver of 1 CPU and 1 GiB, 3 executors of 2 CPU and 31 GiB", declared: null, exceeded: false,
  },
  events: [
    { id: 1, at: "2026-01-01T12:00:00Z", from_state: null, to_state: "queued", reason: "enqueued", actor: "arbiter" },
    { id: 2, at: "2026-01-01T12:10:00Z", from_state: "queued", to_state: "queued", reason: "moved to high: month end", actor: "bob" },
  ],
  grant: null, ahead_jobs: [{ id: null, pool: "high", dag_id: null, task_id: null, sentence: "queued" }],
  waits_in_airflow: null, ...fields,
});

export const queue = (fields: Partial<Queue> = {}): Queue => ({
  id: 1, cluster_id: "c", cluster: "spark-prod", namespace: "team-a", weight: 1, policy: "weighted", paused: false,
  draining: false, length: 3, held: 0, active: 2, running: 1, job_limit: null, oldest_wait_seconds: 2460,
  average_wait_seconds: 1200, blocking: ["memory"],
  pools: [
    {
      name: "high", weight: 90, length: 1, held: 0, active: 1, running: 1, job_limit: null, oldest_wait_seconds: 2460,
      average_wait_seconds: 2460, late: true,
      head: {
        job_id: "job-1", dag_id: "sales_daily", task_id: "aggregate", blocking_resource: "memory", blocked_seconds: 2400,
        sentence: "memory: needs 96 GiB, 40 GiB free of quota team-a", protecting: true,
      },
    },
    {
      name: "normal", weight: 10, length: 2, held: 0, active: 1, running: 0, job_limit: null, oldest_wait_seconds: 60,
      average_wait_seconds: 60, late: false, head: null,
    },
  ],
  resources: [
    { resource: "requests.memory", hard: 128 * GIB, used: 80 * GIB, granted: 88 * GIB, free: 40 * GIB, holder: "quota team-a" },
  ],
  ...fields,
});

type Answer = object | { status: number; problem: { title: string; detail: string } };

export interface Sent {
  method: string;
  path: string;
  query: URLSearchParams;
  body: unknown;
}

/** Answers by path below the API's root; what is not given here gets a usual answer. */
export const serve = (answers: Record<string, Answer | ((sent: Sent) => Answer)> = {}): Sent[] => {
  const me: Me = { user: "bob", can_act: true, can_edit_queues: true };
  const queues: Queues = { queues: [queue()], hidden_jobs: 0, taken_at: null };
  const page: JobPage = { jobs: [job()], next: null, hidden: 0, total: 1 };
  const arbiter: Arbiter = { leader: "a", alive: true, last_cycle_at: null, idle_seconds: 1, banner: null };
  const all: typeof answers = {
    me, queues, jobs: page, arbiter, "jobs/job-1": detail(), "task-instances/sales_daily/run-1/aggregate/-1": { jobs: [job()] },
    ...answers,
  };
  const sent: Sent[] = [];
  vi.stubGlobal("fetch", async (address: string, init: RequestInit = {}) => {
    const url = new URL(address);
    const [, path = ""] = url.pathname.split("/api/v1/");
    const request: Sent = {
      method: init.method ?? "GET", path, query: url.searchParams,
      body: init.body === undefined ? undefined : JSON.parse(String(init.body)),
    };
    sent.push(request);
    const known = all[path];
    const answer = typeof known === "function" ? known(request) : known;
    if (answer === undefined) return new Response("{}", { status: 404 });
    if ("problem" in answer) return new Response(JSON.stringify(answer.problem), { status: answer.status });
    return new Response(JSON.stringify(answer), { status: 200 });
  });
  return sent;
};

const system = createSystem(defaultConfig);

/** The plugin inside a router and theme, as in the host. */
export const show = (address = "/plugin/spark-queues", props: HostProps = {}) => {
  const router = createMemoryRouter([{ path: "*", element: <App {...props} /> }], { initialEntries: [address] });
  const shown = render(
    <ChakraProvider value={system}>
      <RouterProvider router={router} />
    </ChakraProvider>,
  );
  return { ...shown, router };
};
