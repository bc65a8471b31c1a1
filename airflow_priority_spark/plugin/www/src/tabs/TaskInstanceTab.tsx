// SPDX-License-Identifier: Apache-2.0
// "Spark queue" of a task instance: where its job is, and why.
import { Box, Stack } from "@chakra-ui/react";
import { useState } from "react";
import type { JobDetail, Queues } from "../api/types";
import { useData } from "../api/useData";
import { JobFacts } from "../jobs/JobFacts";
import { poolsIn } from "../jobs/JobsView";
import { ArbiterBanner } from "../queues/ArbiterBanner";
import { Choice } from "../shared/Choice";
import { Empty, Loading, ProblemAlert } from "../shared/Feedback";
import type { JobPage } from "../api/types";

interface TaskInstanceTabProps {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: string;
}

export const TaskInstanceTab = ({ dagId, runId, taskId, mapIndex }: TaskInstanceTabProps) => {
  const path = ["task-instances", dagId, runId, taskId, mapIndex].map(encodeURIComponent).join("/");
  const { data, error } = useData<Pick<JobPage, "jobs">>(path);
  const queues = useData<Queues>("queues");
  const [chosen, setChosen] = useState("");
  const attempts = data?.jobs ?? [];
  const id = attempts.find((job) => job.id === chosen)?.id ?? attempts[0]?.id;
  const detail = useData<JobDetail>(id === undefined ? null : `jobs/${encodeURIComponent(id)}`);
  const problem = error ?? detail.error;
  if (problem !== undefined) return <Box p={4}><ProblemAlert problem={problem} what="The job cannot be shown" /></Box>;
  if (data === undefined) return <Box p={4}><Loading label="Loading the job" /></Box>;
  if (attempts.length === 0) {
    return (
      <Empty title="No Spark job">
        This task has not asked for room for a Spark application: it has not run yet, or it runs without the queue.
      </Empty>
    );
  }
  return (
    <Stack data-testid="spark-queue" gap={3} p={4}>
      <ArbiterBanner />
      {attempts.length > 1 ? (
        <Choice
          label="Attempt" onChange={setChosen} value={id ?? ""} width="64"
          options={attempts.map((job) => ({ value: job.id, label: `try ${job.try_number}: ${job.state}` }))}
        />
      ) : undefined}
      {detail.data === undefined ? <Loading label="Loading the job" /> : (
        <JobFacts job={detail.data} pools={poolsIn(queues.data?.queues ?? [], [detail.data])} />
      )}
    </Stack>
  );
};
