// SPDX-License-Identifier: Apache-2.0
// How long the lines were, how long jobs waited, what was used, and what was waited for.
import { Flex, SimpleGrid, Stack, Text } from "@chakra-ui/react";
import { useMemo } from "react";
import { useSearchParams } from "react-router-dom";
import type { HeatMap, History, Queue } from "../api/types";
import { useData } from "../api/useData";
import { Choice } from "../shared/Choice";
import { Empty, Loading, ProblemAlert } from "../shared/Feedback";
import { duration } from "../shared/format";
import type { UrlState } from "../shared/urlState";
import { HeatMapTable } from "./HeatMapTable";
import { LineChart, type Series } from "./LineChart";

const SPANS = [
  { value: "21600", label: "6 hours" },
  { value: "86400", label: "24 hours" },
  { value: "604800", label: "7 days" },
  { value: "2592000", label: "30 days" },
];
const DEFAULT_SPAN = "86400";
const MOST_LINES = 10;

const peak = ({ values }: Series) => Math.max(0, ...values.map((value) => value ?? 0));

/** More lines than colours tell nothing: those with the highest peaks. */
export const highest = (series: Series[]): Series[] =>
  series.filter((one) => peak(one) > 0).sort((a, b) => peak(b) - peak(a)).slice(0, MOST_LINES);

const share = (used: number | null, hard: number | null | undefined) =>
  used === null || hard === null || hard === undefined || hard <= 0 ? null : (100 * used) / hard;

export const seriesOf = ({ lines, usage }: History) => ({
  depth: highest(lines.map((line) => ({ name: `${line.namespace}/${line.pool}`, values: line.depth }))),
  wait: highest(lines.map((line) => ({ name: `${line.namespace}/${line.pool}`, values: line.average_wait_seconds }))),
  used: highest(
    usage.map(({ namespace, resource, used, hard }) => ({
      name: `${namespace} ${resource}`, values: used.map((value, index) => share(value, hard[index])),
    })),
  ),
});

export const ChartsPage = ({ queues, state }: { queues: Queue[]; state: UrlState }) => {
  const [search] = useSearchParams();
  const chosen = search.get("span");
  const span = SPANS.find(({ value }) => value === chosen)?.value ?? DEFAULT_SPAN;
  // A fixed beginning: with one that moves every reading would have another address.
  const from = useMemo(() => new Date(Math.floor(Date.now() / 60_000) * 60_000 - Number(span) * 1000).toISOString(), [span]);
  const namespace = state.filters.namespace ?? "";
  const history = useData<History>("history", { from, namespace });
  const heat = useData<HeatMap>("history/heatmap", { from, namespace });
  const names = [...new Set(queues.map((queue) => queue.namespace))].sort();
  const problem = history.error ?? heat.error;
  const series = history.data === undefined ? undefined : seriesOf(history.data);
  return (
    <Stack gap={3}>
      <Flex gap={2}>
        <Choice label="Time" onChange={(value) => state.change({ span: value })} options={SPANS} value={span} />
        <Choice any="All queues" label="Queue" onChange={(value) => state.change({ namespace: value })} options={names} value={namespace} />
      </Flex>
      {problem === undefined ? undefined : <ProblemAlert problem={problem} what="The past cannot be shown" />}
      {history.data === undefined || series === undefined ? problem === undefined && <Loading label="Loading charts" /> : (
        <>
          {series.depth.length + series.wait.length + series.used.length === 0 ? (
            <Empty title="Nothing happened in this time">Choose a longer time, or another queue.</Empty>
          ) : (
            <SimpleGrid columns={{ base: 1, xl: 2 }} gap={3}>
              <LineChart at={history.data.at} format={(value) => String(Math.round(value))} series={series.depth} title="Waiting jobs" />
              <LineChart at={history.data.at} format={duration} seconds series={series.wait} title="Average wait of admitted jobs" />
              <LineChart at={history.data.at} format={(value) => `${Math.round(value)} %`} series={series.used} title="Used part of quota" />
            </SimpleGrid>
          )}
          <Text color="fg.muted" fontSize="xs">Steps of {duration(history.data.step_seconds)}; over all jobs, also those that you may not read.</Text>
        </>
      )}
      {heat.data === undefined ? undefined : <HeatMapTable cells={heat.data.cells} />}
    </Stack>
  );
};
