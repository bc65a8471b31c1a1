// SPDX-License-Identifier: Apache-2.0
// The Spark jobs of a run or of a DAG: Airflow shows them all as "deferred", here they wait or run.
import { Box, Stack } from "@chakra-ui/react";
import type { JobPage, Queues } from "../api/types";
import { useData } from "../api/useData";
import { COLUMNS_OF } from "../jobs/columns";
import { JobDrawer } from "../jobs/JobDrawer";
import { poolsIn } from "../jobs/JobsView";
import { JobTable } from "../jobs/JobTable";
import { ArbiterBanner } from "../queues/ArbiterBanner";
import { Empty, Loading, ProblemAlert } from "../shared/Feedback";
import { Pager } from "../shared/Pager";
import { useUrlState } from "../shared/urlState";

const newestFirst = () => "-queued_at";

export const JobsTab = ({ dagId, runId }: { dagId: string; runId?: string }) => {
  const state = useUrlState(newestFirst);
  const queues = useData<Queues>("queues");
  const { data, error, loading } = useData<JobPage>("jobs", {
    dag_id: dagId, run_id: runId, sort: state.sort, limit: state.limit, after: state.after, group: "mapped",
  });
  const known = queues.data?.queues ?? [];
  if (error !== undefined) return <Box p={4}><ProblemAlert problem={error} what="The jobs cannot be listed" /></Box>;
  if (data === undefined) return <Box p={4}><Loading label="Loading jobs" /></Box>;
  if (data.jobs.length === 0 && state.after === "") {
    return <Empty title="No Spark job">Nothing of this {runId === undefined ? "DAG" : "run"} has asked for room yet.</Empty>;
  }
  return (
    <Stack data-testid="spark-jobs" gap={3} p={4}>
      <ArbiterBanner />
      <JobTable
        columns={COLUMNS_OF.all} jobs={data.jobs} label="Spark jobs" onOpen={(job) => state.change({ job })}
        onSort={(sort) => state.change({ sort })} poolsOf={(job) => poolsIn(known, [job])} sort={state.sort} stale={loading}
      />
      <Pager next={data.next} shown={data.jobs.length} state={state} total={data.total} />
      <JobDrawer id={state.job} onClose={() => state.change({ job: "" })} queues={known} />
    </Stack>
  );
};
