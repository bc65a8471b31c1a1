// SPDX-License-Identifier: Apache-2.0
// Everything about one job, for the drawer and for the tab of its task instance.
import { Badge, Box, Button, DataList, Heading, HStack, List, Stack, Text } from "@chakra-ui/react";
import { type ReactNode, useState } from "react";
import type { AheadJob, Job, JobDetail } from "../api/types";
import { count, duration } from "../shared/format";
import { StateBadge } from "../shared/states";
import { Time } from "../shared/Time";
import { type Act, ACTS, offered } from "./acts";
import { DemandFacts } from "./DemandFacts";
import { JobActDialog } from "./JobActDialog";
import { Timeline } from "./Timeline";

/** "waiting 41 min for memory: needs 96 GiB, 40 GiB free; 2 ahead". */
export const headline = (job: Job): string => {
  const waits = duration(job.wait_seconds);
  const ahead = job.ahead ? `; ${job.ahead} ahead` : "";
  if (job.state === "queued") return `Waiting ${waits} – ${job.sentence}${ahead}`;
  if (job.state === "held") return `Held for ${waits} – ${job.sentence}`;
  return job.sentence || job.reason;
};

const Part = ({ title, children }: { title: string; children: ReactNode }) => (
  <Box as="section">
    <Heading mb={2} size="sm">{title}</Heading>
    {children}
  </Box>
);

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <DataList.Item>
    <DataList.ItemLabel minW="32">{name}</DataList.ItemLabel>
    <DataList.ItemValue>{children}</DataList.ItemValue>
  </DataList.Item>
);

const Ahead = ({ jobs, ahead }: { jobs: AheadJob[]; ahead: number | null }) => (
  <Part title={`Ahead of it: ${count(ahead ?? jobs.length, "job")}`}>
    <List.Root as="ol" fontSize="sm" ps={5}>
      {jobs.map((job, index) => (
        <List.Item key={job.id ?? `hidden-${index}`}>
          {job.dag_id === null ? "" : `${job.dag_id} / ${job.task_id}: `}
          {job.sentence} <Text as="span" color="fg.muted">({job.pool})</Text>
        </List.Item>
      ))}
    </List.Root>
  </Part>
);

export const JobActs = ({ job, pools }: { job: Job; pools: string[] }) => {
  const [act, setAct] = useState<Act>();
  return (
    <HStack flexWrap="wrap" gap={2}>
      {offered(job).map((name) => (
        <Button
          colorPalette={ACTS[name].harmful ? "danger" : "brand"} key={name} onClick={() => setAct(name)} size="sm" variant="outline"
        >
          {ACTS[name].label}
        </Button>
      ))}
      {act === undefined ? undefined : (
        <JobActDialog act={act} job={job} onClose={() => setAct(undefined)} pools={pools} />
      )}
    </HStack>
  );
};

export const JobFacts = ({ job, pools }: { job: JobDetail; pools: string[] }) => (
  <Stack gap={5}>
    <Box borderColor="border.emphasized" borderRadius={8} borderWidth={1} p={3}>
      <HStack flexWrap="wrap" gap={2}>
        <StateBadge state={job.state} />
        {job.blocking_resource === null ? undefined : (
          <Badge colorPalette="orange" variant="subtle">{job.blocking_resource}</Badge>
        )}
        <Text data-testid="headline" fontWeight="semibold">{headline(job)}</Text>
      </HStack>
      {job.waits_in_airflow === null ? undefined : (
        <Text fontSize="sm" mt={1}>Admitted, and waits in Airflow for: {job.waits_in_airflow}</Text>
      )}
      <Box mt={offered(job).length > 0 ? 3 : 0}><JobActs job={job} pools={pools} /></Box>
    </Box>
    {job.ahead_jobs.length > 0 ? <Ahead ahead={job.ahead} jobs={job.ahead_jobs} /> : undefined}
    <Part title="Events"><Timeline events={job.events} /></Part>
    <Part title="Demand"><DemandFacts job={job} /></Part>
    <Part title="Driver">
      {job.application === null ? <Text fontSize="sm">Its application is not created yet.</Text> : (
        <DataList.Root orientation="horizontal" size="sm">
          <Fact name="Application">{job.application}</Fact>
          <Fact name="State">{job.application_state ?? "–"}</Fact>
          <Fact name="Submitted"><Time at={job.submitted_at} /></Fact>
          <Fact name="Started"><Time at={job.started_at} /></Fact>
          <Fact name="Ended"><Time at={job.ended_at} /></Fact>
        </DataList.Root>
      )}
    </Part>
    <Part title="Job">
      <DataList.Root orientation="horizontal" size="sm">
        <Fact name="Queue">{job.namespace} on {job.cluster}, pool {job.pool}</Fact>
        <Fact name="Flow">{job.flow}</Fact>
        <Fact name="Attempt">try {job.try_number}, admitted {count(job.admission, "time")}, rescheduled {count(job.reschedules, "time")}</Fact>
        <Fact name="Who">{[job.user, job.team, job.service].filter(Boolean).join(" · ") || "–"}</Fact>
        {job.grant === null ? undefined : (
          <Fact name="Grant">
            <Text as="span">given <Time at={job.grant.granted_at} />{job.grant.unchecked ? ", unchecked" : ""}</Text>
          </Fact>
        )}
        <Fact name="Job id">{job.id}</Fact>
      </DataList.Root>
    </Part>
  </Stack>
);
