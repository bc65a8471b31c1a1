// SPDX-License-Identifier: Apache-2.0
// Filters of the lists; each is a part of the address. Text is sent when typing pauses. Instants are typed in the zone
// that the reader chose in Airflow, as all times of the view are shown in it.
import { Button, Field, Flex, Input } from "@chakra-ui/react";
import { useEffect, useRef, useState } from "react";
import type { JobState, Queue } from "../api/types";
import { Choice } from "../shared/Choice";
import { toInstant, toLocal } from "../shared/format";
import { useZone } from "../shared/Time";
import type { FilterName, UrlState } from "../shared/urlState";

const TYPING_MS = 400;

interface TextFilterProps {
  label: string;
  value: string;
  placeholder?: string;
  type?: string;
  width?: string;
  onChange: (value: string) => void;
}

const TextFilter = ({ label, value, placeholder, type = "text", width = "40", onChange }: TextFilterProps) => {
  const [typed, setTyped] = useState(value);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const type_ = (text: string) => {
    setTyped(text);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => onChange(text.trim()), TYPING_MS);
  };
  return (
    <Field.Root width={width}>
      <Field.Label color="fg.muted" fontSize="xs">{label}</Field.Label>
      <Input
        maxLength={250} onChange={(event) => type_(event.currentTarget.value)} placeholder={placeholder} size="sm" type={type}
        value={typed}
      />
    </Field.Root>
  );
};

const unique = (names: string[]) => [...new Set(names)].sort();

interface FilterBarProps {
  state: UrlState;
  queues: Queue[];
  /** Those that the list can have. */
  states: readonly JobState[];
}

export const FilterBar = ({ state, queues, states }: FilterBarProps) => {
  const zone = useZone();
  const { filters, change, tab, folded } = state;
  const set = (name: FilterName) => (value: string) => change({ [name]: value });
  const clusters = unique(queues.map((queue) => queue.cluster));
  const active = Object.keys(filters);
  return (
    <Flex alignItems="end" flexWrap="wrap" gap={2} role="search">
      <TextFilter
        label="Search" onChange={set("search")} placeholder="DAG, run, task, user, application…"
        value={filters.search ?? ""} width="64"
      />
      {clusters.length > 1 ? (
        <Choice any="All clusters" label="Cluster" onChange={set("cluster")} options={clusters} value={filters.cluster ?? ""} />
      ) : undefined}
      <Choice
        any="All queues" label="Queue" onChange={set("namespace")} options={unique(queues.map((queue) => queue.namespace))}
        value={filters.namespace ?? ""}
      />
      <Choice
        any="All pools" label="Pool" onChange={set("pool")}
        options={unique(queues.flatMap((queue) => queue.pools.map((pool) => pool.name)))} value={filters.pool ?? ""} width="32"
      />
      {states.length > 1 ? (
        <Choice any="All states" label="State" onChange={set("state")} options={states} value={filters.state ?? ""} width="32" />
      ) : undefined}
      <TextFilter label="DAG" onChange={set("dag_id")} value={filters.dag_id ?? ""} width="36" />
      <TextFilter label="User" onChange={set("user")} value={filters.user ?? ""} width="28" />
      <TextFilter label="Team" onChange={set("team")} value={filters.team ?? ""} width="28" />
      {tab === "waiting" ? (
        <Choice
          any="Anything" label="Blocked by" onChange={set("blocking_resource")}
          options={unique([...queues.flatMap((queue) => queue.blocking), ...(filters.blocking_resource ? [filters.blocking_resource] : [])])}
          value={filters.blocking_resource ?? ""} width="36"
        />
      ) : undefined}
      {tab === "history" ? (
        <>
          <TextFilter label="End reason" onChange={set("end_reason")} value={filters.end_reason ?? ""} width="36" />
          <TextFilter
            label={`Queued after (${zone})`} onChange={(text) => change({ queued_after: toInstant(text, zone) })} type="datetime-local"
            value={toLocal(filters.queued_after, zone)} width="52"
          />
          <TextFilter
            label={`Queued before (${zone})`} onChange={(text) => change({ queued_before: toInstant(text, zone) })} type="datetime-local"
            value={toLocal(filters.queued_before, zone)} width="52"
          />
        </>
      ) : undefined}
      <Choice
        label="Mapped tasks" onChange={(value) => change({ mapped: value })}
        options={[{ value: "", label: "One row each" }, { value: "all", label: "Every job" }]} value={folded ? "" : "all"} width="36"
      />
      {active.length > 0 ? (
        <Button onClick={() => change(Object.fromEntries(active.map((name) => [name, ""])))} size="sm" variant="outline">
          Clear filters
        </Button>
      ) : undefined}
    </Flex>
  );
};
