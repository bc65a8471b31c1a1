// SPDX-License-Identifier: Apache-2.0
// Which columns each list has, and what stands in them.
import { Badge, Box, Button, Link, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Link as RouterLink } from "react-router-dom";
import type { Job } from "../api/types";
import { absolute, amounts, count, duration } from "../shared/format";
import { rowName, runPath, taskPath } from "../shared/links";
import { StateBadge, StateCounts } from "../shared/states";
import { Time, useNow, useZone } from "../shared/Time";
import type { Tab } from "../shared/urlState";

export interface Column {
  key: string;
  title: string;
  /** Name of the API's order. */
  sort?: string;
  cell: (job: Job, open: (id: string) => void) => ReactNode;
}

const JobCell = ({ job, open }: { job: Job; open: (id: string) => void }) => (
  <Box minW="36">
    <Button
      aria-label={`Details of ${job.dag_id} ${rowName(job)}`} color="fg.info" height="auto" justifyContent="start"
      onClick={() => open(job.id)} px={0} size="sm" textAlign="start" variant="plain" whiteSpace="normal"
    >
      {rowName(job)}
    </Button>
    <Text color="fg.muted" fontSize="xs">
      <Link asChild color="fg.muted"><RouterLink to={runPath(job.dag_id, job.run_id)}>{job.dag_id}</RouterLink></Link>
      {" · "}
      <Link asChild color="fg.muted"><RouterLink to={taskPath(job)}>task</RouterLink></Link>
    </Text>
  </Box>
);

/** Running time so far, or in all. */
const Runtime = ({ job }: { job: Job }) => {
  const now = useNow();
  if (job.started_at === null) return <>–</>;
  const end = job.ended_at === null ? now : Date.parse(job.ended_at);
  return <Text whiteSpace="nowrap">{duration((end - Date.parse(job.started_at)) / 1000)}</Text>;
};

const Wait = ({ job }: { job: Job }) => {
  const zone = useZone();
  return <Text title={`queued ${absolute(job.queued_at, zone)} ${zone}`} whiteSpace="nowrap">{duration(job.wait_seconds)}</Text>;
};

/** The sentence with its numbers; the word it begins with, the blocking resource or "held", stands out. */
const Reason = ({ job }: { job: Job }) => {
  const sentence = job.sentence || job.reason;
  const word = job.state === "held" ? "held" : job.blocking_resource;
  const marked = word !== null && sentence.startsWith(`${word}:`) ? word : "";
  return (
    <Text fontSize="sm" maxW="96" minW="48">
      {marked === "" ? undefined : <Badge colorPalette="orange" size="sm" variant="subtle">{marked}</Badge>}
      {sentence.slice(marked.length)}
    </Text>
  );
};

const Who = ({ job }: { job: Job }) => (
  <Text fontSize="sm">{[job.user, job.team].filter(Boolean).join(" · ") || "–"}</Text>
);

const COLUMNS = {
  position: {
    key: "position", title: "#", sort: "position",
    cell: (job) => <Text title={job.ahead === null ? undefined : `${count(job.ahead, "job")} ahead`}>{job.position ?? "–"}</Text>,
  },
  job: { key: "job", title: "Job", sort: "dag_id", cell: (job, open) => <JobCell job={job} open={open} /> },
  state: {
    key: "state", title: "State", sort: "state",
    cell: (job) => (job.mapped === null ? <StateBadge state={job.state} /> : <StateCounts states={job.mapped.states} />),
  },
  queue: { key: "queue", title: "Queue", sort: "namespace", cell: (job) => <Text title={job.cluster}>{job.namespace}</Text> },
  pool: { key: "pool", title: "Pool", sort: "pool", cell: (job) => job.pool },
  wait: { key: "wait", title: "Wait", sort: "queued_at", cell: (job) => <Wait job={job} /> },
  waited: { key: "waited", title: "Waited", cell: (job) => <Wait job={job} /> },
  demand: { key: "demand", title: "Demand", cell: (job) => <Text fontSize="sm" minW="28">{amounts(job.demand)}</Text> },
  reason: { key: "reason", title: "Waits for", sort: "blocking_resource", cell: (job) => <Reason job={job} /> },
  airflow: { key: "airflow", title: "Waits in Airflow for", cell: (job) => <Reason job={job} /> },
  who: { key: "who", title: "User · team", sort: "user", cell: (job) => <Who job={job} /> },
  admitted: { key: "admitted", title: "Admitted", sort: "admitted_at", cell: (job) => <Time at={job.admitted_at} /> },
  started: { key: "started", title: "Started", sort: "started_at", cell: (job) => <Time at={job.started_at ?? job.submitted_at} /> },
  ended: { key: "ended", title: "Ended", sort: "ended_at", cell: (job) => <Time at={job.ended_at} /> },
  queued: { key: "queued", title: "Queued", sort: "queued_at", cell: (job) => <Time at={job.queued_at} /> },
  runtime: { key: "runtime", title: "Running for", cell: (job) => <Runtime job={job} /> },
  ran: { key: "ran", title: "Ran", cell: (job) => <Runtime job={job} /> },
  application: {
    key: "application", title: "Application",
    cell: (job) => (
      <Box fontSize="sm" minW="32">
        <Text wordBreak="break-all">{job.application ?? "–"}</Text>
        <Text color="fg.muted" fontSize="xs">{job.application_state}</Text>
      </Box>
    ),
  },
  end: { key: "end", title: "Why it ended", cell: (job) => <Text fontSize="sm" maxW="96">{job.reason}</Text> },
} satisfies Record<string, Column>;

type Listed = Extract<Tab, "waiting" | "admitted" | "running" | "history"> | "all";

const c: Record<keyof typeof COLUMNS, Column> = COLUMNS;

export const COLUMNS_OF: Record<Listed, Column[]> = {
  waiting: [c.position, c.job, c.queue, c.pool, c.wait, c.demand, c.reason, c.who],
  admitted: [c.job, c.state, c.queue, c.pool, c.waited, c.admitted, c.demand, c.airflow],
  running: [c.job, c.state, c.queue, c.pool, c.application, c.started, c.runtime, c.demand],
  history: [c.job, c.state, c.queue, c.pool, c.queued, c.waited, c.ran, c.ended, c.end],
  all: [c.job, c.state, c.queue, c.pool, c.queued, c.waited, c.reason],
};
