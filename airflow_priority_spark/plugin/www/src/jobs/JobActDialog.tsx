// SPDX-License-Identifier: Apache-2.0
// Confirmation of one act on one job or on many.
import { Alert, List, Stack, Text } from "@chakra-ui/react";
import { useState } from "react";
import type { BulkAnswer, Job } from "../api/types";
import { Choice } from "../shared/Choice";
import { count } from "../shared/format";
import { rowName } from "../shared/links";
import { ReasonDialog } from "../shared/ReasonDialog";
import { DemandDialog } from "./DemandDialog";
import { type Act, ACTS, actOnJob, actOnMany, type Selected } from "./acts";

const NAMED = 5;

const PoolChoice = ({ pools, value, onChange }: { pools: string[]; value: string; onChange: (v: string) => void }) => (
  <Choice any="Choose a pool" label="Priority pool" onChange={onChange} options={pools} value={value} width="full" />
);

interface OneProps {
  job: Job;
  act: Act;
  pools: string[];
  onClose: () => void;
}

export const JobActDialog = (props: OneProps) =>
  props.act === "demand" ? <DemandDialog job={props.job} onClose={props.onClose} /> : <PlainActDialog {...props} />;

const PlainActDialog = ({ job, act, pools, onClose }: OneProps) => {
  const [pool, setPool] = useState("");
  const { label, meaning, harmful } = ACTS[act];
  return (
    <ReasonDialog
      confirm={label} harmful={harmful} incomplete={act === "pool" && pool === ""} onClose={onClose}
      onConfirm={(reason) => actOnJob(job, act, reason, pool)} title={`${label}: ${rowName(job)}?`}
    >
      <Text>
        <Text as="span" fontWeight="semibold">{job.dag_id} / {rowName(job)}</Text>, {job.namespace}/{job.pool}. {meaning}
      </Text>
      {act === "pool" ? (
        <PoolChoice onChange={setPool} pools={pools.filter((name) => name !== job.pool)} value={pool} />
      ) : undefined}
    </ReasonDialog>
  );
};

interface ManyProps {
  act: Act;
  selected: Selected;
  number: number;
  pools: string[];
  onClose: () => void;
  onDone: (answer: BulkAnswer) => void;
}

export const BulkActDialog = ({ act, selected, number, pools, onClose, onDone }: ManyProps) => {
  const [pool, setPool] = useState("");
  const { label, meaning, harmful } = ACTS[act];
  const named = "rows" in selected ? selected.rows.slice(0, NAMED) : [];
  const more = "rows" in selected ? selected.rows.length - named.length : 0;
  return (
    <ReasonDialog
      confirm={`${label} (${number})`} harmful={harmful} incomplete={act === "pool" && pool === ""} onClose={onClose}
      onConfirm={async (reason) => onDone(await actOnMany(selected, act, reason, pool))}
      title={`${label}: ${count(number, "job")}?`}
    >
      <Stack gap={2}>
        <Text>For each of them: {meaning}</Text>
        <List.Root ps={5}>
          {named.map((job) => <List.Item key={job.id}>{job.dag_id} / {rowName(job)}</List.Item>)}
          {more > 0 ? <List.Item>and {more} more</List.Item> : undefined}
        </List.Root>
        {act === "pool" ? <PoolChoice onChange={setPool} pools={pools} value={pool} /> : undefined}
      </Stack>
    </ReasonDialog>
  );
};

/** What became of a bulk act; refusals are named, since each has its own reason. */
export const BulkResult = ({ answer, onClose }: { answer: BulkAnswer; onClose: () => void }) => (
  <Alert.Root role="status" status={answer.refused_count > 0 ? "warning" : "success"}>
    <Alert.Indicator />
    <Alert.Content>
      <Alert.Title>
        {count(answer.changed, "job")} changed{answer.refused_count > 0 ? `, ${answer.refused_count} refused` : ""}
      </Alert.Title>
      <Alert.Description>
        {answer.refused.slice(0, NAMED).map(({ id, detail }) => <Text key={id}>{id}: {detail}</Text>)}
        {answer.refused_count > NAMED ? <Text>and {answer.refused_count - NAMED} more</Text> : undefined}
      </Alert.Description>
    </Alert.Content>
    <Text as="button" cursor="pointer" onClick={onClose} textDecoration="underline">Dismiss</Text>
  </Alert.Root>
);
