// SPDX-License-Identifier: Apache-2.0
// One of the four lists: filters, table, pages, and acts on what is ticked.
import { Button, Flex, Stack, Text } from "@chakra-ui/react";
import { useState } from "react";
import { apiUrl } from "../api/client";
import type { BulkAnswer, Job, JobPage, JobState, Queue } from "../api/types";
import { useData } from "../api/useData";
import { Empty, Loading, ProblemAlert } from "../shared/Feedback";
import { count } from "../shared/format";
import { DownloadIcon } from "../shared/icons";
import { Pager } from "../shared/Pager";
import { ENDED } from "../shared/states";
import type { Tab, UrlState } from "../shared/urlState";
import { offered } from "./acts";
import { BulkBar } from "./BulkBar";
import { COLUMNS_OF } from "./columns";
import { FilterBar } from "./FilterBar";
import { BulkResult } from "./JobActDialog";
import { JobTable } from "./JobTable";

export type ListTab = Extract<Tab, "waiting" | "admitted" | "running" | "history">;

const STATES: Record<ListTab, readonly JobState[]> = {
  waiting: ["queued", "held"],
  admitted: ["admitted", "submitted"],
  running: ["running"],
  history: ENDED,
};

export const DEFAULT_SORT: Record<ListTab, string> = {
  waiting: "position",
  admitted: "admitted_at",
  running: "started_at",
  history: "-ended_at",
};

const NOTHING: Record<ListTab, string> = {
  waiting: "No job waits",
  admitted: "No job is admitted and not yet running",
  running: "No job runs",
  history: "No job has ended",
};

interface JobsViewProps {
  tab: ListTab;
  state: UrlState;
  queues: Queue[];
  canAct: boolean;
}

export const poolsIn = (queues: Queue[], jobs: Pick<Job, "queue_id">[]): string[] => {
  const ids = new Set(jobs.map((job) => job.queue_id));
  const meant = queues.filter((queue) => ids.has(queue.id));
  return [...new Set(meant.flatMap((queue) => queue.pools.map((pool) => pool.name)))];
};

export const JobsView = ({ tab, state, queues, canAct }: JobsViewProps) => {
  const narrowed = STATES[tab].filter((one) => one === state.filters.state);
  const filter = { ...state.filters, state: narrowed.length > 0 ? narrowed : STATES[tab] };
  const { data, error, loading } = useData<JobPage>("jobs", {
    ...filter, sort: state.sort, limit: state.limit, after: state.after, group: state.folded ? "mapped" : "",
  });
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const [result, setResult] = useState<BulkAnswer>();
  const jobs = data?.jobs ?? [];
  const chosen = jobs.filter((job) => ticked.has(job.id) && offered(job).length > 0);
  const selection = {
    has: (id: string) => ticked.has(id),
    toggle: (ids: string[], on: boolean) => {
      const next = new Set(ticked);
      ids.forEach((id) => (on ? next.add(id) : next.delete(id)));
      setTicked(next);
    },
  };
  const filtered = Object.keys(state.filters).length > 0;
  return (
    <Stack gap={3}>
      <Flex alignItems="end" gap={2} justifyContent="space-between">
        <FilterBar queues={queues} state={state} states={STATES[tab]} />
        <Button asChild size="sm" variant="outline">
          <a download href={apiUrl("jobs.csv", filter)}><DownloadIcon /> CSV</a>
        </Button>
      </Flex>
      {result === undefined ? undefined : <BulkResult answer={result} onClose={() => setResult(undefined)} />}
      {error === undefined ? undefined : <ProblemAlert problem={error} what="The jobs cannot be listed" />}
      {data === undefined ? error === undefined && <Loading label="Loading jobs" rows={6} /> : (
        <>
          {jobs.length === 0 ? (
            <Empty title={filtered ? "No job matches the filters" : NOTHING[tab]}>
              {filtered ? "Clear a filter to see more." : undefined}
            </Empty>
          ) : (
            <JobTable
              columns={COLUMNS_OF[tab]} jobs={jobs} label={`Jobs: ${tab}`} onOpen={(job) => state.change({ job })}
              onSort={(sort) => state.change({ sort })} poolsOf={(job) => poolsIn(queues, [job])}
              selection={canAct && tab === "waiting" ? selection : undefined} sort={state.sort} stale={loading}
            />
          )}
          {data.hidden > 0 ? (
            <Text color="fg.muted" fontSize="sm">
              {count(data.hidden, "more job")} of DAGs that you may not read.
            </Text>
          ) : undefined}
          {jobs.length === 0 && state.after === "" ? undefined : (
            <Pager next={data.next} shown={jobs.length} state={state} total={data.total} />
          )}
        </>
      )}
      <BulkBar
        filter={filter} jobs={chosen} onClear={() => setTicked(new Set())}
        onDone={(answer) => {
          setTicked(new Set());
          setResult(answer);
        }}
        pools={poolsIn(queues, chosen)} total={data?.total ?? null}
      />
    </Stack>
  );
};
