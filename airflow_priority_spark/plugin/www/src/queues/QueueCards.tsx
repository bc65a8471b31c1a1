// SPDX-License-Identifier: Apache-2.0
import { Button, SimpleGrid, Stack, Text } from "@chakra-ui/react";
import { useState } from "react";
import { useLocation } from "react-router-dom";
import type { Queue, Queues } from "../api/types";
import type { Data } from "../api/useData";
import { Empty, Loading, ProblemAlert } from "../shared/Feedback";
import { count } from "../shared/format";
import { QueueCard } from "./QueueCard";

/** So many fit above the list on a usual screen; the rest is one click away. */
const FIRST = 3;

const urgency = (queue: Queue) => queue.oldest_wait_seconds ?? -1;

interface QueueCardsProps {
  queues: Data<Queues>;
  editable: boolean;
  onOpenJob: (id: string) => void;
}

export const QueueCards = ({ queues: { data, error }, editable, onOpenJob }: QueueCardsProps) => {
  const [all, setAll] = useState(false);
  const { pathname } = useLocation();
  const address = (queue: Queue, pool: string) => {
    const search = new URLSearchParams({ tab: "waiting", cluster: queue.cluster, namespace: queue.namespace, pool });
    return `${pathname}?${search.toString()}`;
  };
  if (error !== undefined) return <ProblemAlert problem={error} what="The queues cannot be shown" />;
  if (data === undefined) return <Loading label="Loading queues" rows={3} />;
  if (data.queues.length === 0) {
    return (
      <Empty title="No queue yet">A queue appears with the first Spark job that asks for room in a namespace.</Empty>
    );
  }
  const sorted = [...data.queues].sort((a, b) => urgency(b) - urgency(a) || a.namespace.localeCompare(b.namespace));
  const shown = all ? sorted : sorted.slice(0, FIRST);
  return (
    <Stack gap={2}>
      <SimpleGrid gap={3} gridTemplateColumns="repeat(auto-fit, minmax(min(100%, 22rem), 1fr))">
        {shown.map((queue) => (
          <QueueCard editable={editable} key={queue.id} onOpenJob={onOpenJob} poolAddress={address} queue={queue} />
        ))}
      </SimpleGrid>
      {sorted.length > FIRST ? (
        <Button alignSelf="start" aria-expanded={all} onClick={() => setAll(!all)} size="xs" variant="outline">
          {all ? "Show fewer queues" : `Show all ${sorted.length} queues`}
        </Button>
      ) : undefined}
      {data.hidden_jobs > 0 ? (
        <Text color="fg.muted" fontSize="sm">
          {count(data.hidden_jobs, "waiting or active job")} of DAGs that you may not read {data.hidden_jobs === 1 ? "is" : "are"} counted, not shown.
        </Text>
      ) : undefined}
    </Stack>
  );
};
