// SPDX-License-Identifier: Apache-2.0
// A page of jobs. The server sorts and pages; this only shows.
import { Box, Button, Checkbox, IconButton, Menu, Portal, Table, VisuallyHidden } from "@chakra-ui/react";
import { useState } from "react";
import type { Job } from "../api/types";
import { AscendingIcon, DescendingIcon, MoreIcon, UnsortedIcon } from "../shared/icons";
import { rowName } from "../shared/links";
import { type Act, ACTS, offered } from "./acts";
import type { Column } from "./columns";
import { JobActDialog } from "./JobActDialog";

export interface Selection {
  has: (id: string) => boolean;
  toggle: (ids: string[], on: boolean) => void;
}

interface JobTableProps {
  label: string;
  jobs: Job[];
  columns: Column[];
  sort?: string;
  onSort?: (sort: string) => void;
  onOpen: (id: string) => void;
  /** Without it there is nothing to select. */
  selection?: Selection;
  poolsOf: (job: Job) => string[];
  stale: boolean;
}

type SortProps = { column: Column } & Pick<JobTableProps, "sort" | "onSort">;

const SortHeader = ({ column, sort, onSort }: SortProps) => {
  if (column.sort === undefined || onSort === undefined) {
    return <Table.ColumnHeader fontWeight="semibold" whiteSpace="nowrap">{column.title}</Table.ColumnHeader>;
  }
  const name = column.sort;
  const [Sorted, order] =
    sort === name ? ([AscendingIcon, "ascending"] as const)
    : sort === `-${name}` ? ([DescendingIcon, "descending"] as const)
    : ([UnsortedIcon, "none"] as const);
  return (
    <Table.ColumnHeader aria-sort={order} whiteSpace="nowrap">
      <Button
        fontWeight="semibold" gap={1} height="auto" onClick={() => onSort(sort === name ? `-${name}` : name)} px={0}
        size="sm" variant="plain"
      >
        {column.title}
        <Sorted color={order === "none" ? "fg.muted" : undefined} />
      </Button>
    </Table.ColumnHeader>
  );
};

interface CheckProps {
  label: string;
  checked: boolean;
  disabled?: boolean;
  onChange: (on: boolean) => void;
}

const Check = ({ label, checked, disabled, onChange }: CheckProps) => (
  <Checkbox.Root
    checked={checked} colorPalette="brand" disabled={disabled} onCheckedChange={(now) => onChange(now.checked === true)} size="sm"
  >
    <Checkbox.HiddenInput aria-label={label} />
    <Checkbox.Control />
  </Checkbox.Root>
);

const JobMenu = ({ job, onAct }: { job: Job; onAct: (act: Act) => void }) => {
  const acts = offered(job);
  if (acts.length === 0) return undefined;
  return (
    <Menu.Root lazyMount onSelect={({ value }) => onAct(value as Act)}>
      <Menu.Trigger asChild>
        <IconButton aria-label={`Actions on ${job.dag_id} ${rowName(job)}`} size="xs" variant="ghost">
          <MoreIcon />
        </IconButton>
      </Menu.Trigger>
      <Portal>
        <Menu.Positioner>
          <Menu.Content>
            {acts.map((act) => (
              <Menu.Item color={ACTS[act].harmful ? "red.fg" : undefined} key={act} value={act}>
                {ACTS[act].label}
              </Menu.Item>
            ))}
          </Menu.Content>
        </Menu.Positioner>
      </Portal>
    </Menu.Root>
  );
};

export const JobTable = (props: JobTableProps) => {
  const { label, jobs, columns, sort, onSort, onOpen, selection, poolsOf, stale } = props;
  const [asked, setAsked] = useState<{ job: Job; act: Act }>();
  const selectable = jobs.filter((job) => offered(job).length > 0).map((job) => job.id);
  const all = selectable.length > 0 && selectable.every((id) => selection?.has(id));
  return (
    <Box aria-busy={stale} opacity={stale ? 0.6 : 1} overflowX="auto">
      <Table.Root aria-label={label} striped>
        <Table.Header bg="chakra-body-bg">
          <Table.Row>
            {selection === undefined ? undefined : (
              <Table.ColumnHeader width={8}>
                <Check
                  checked={all} disabled={selectable.length === 0} label="Select all jobs of this page"
                  onChange={(on) => selection.toggle(selectable, on)}
                />
              </Table.ColumnHeader>
            )}
            {columns.map((column) => (
              <SortHeader column={column} key={column.key} onSort={onSort} sort={sort} />
            ))}
            <Table.ColumnHeader width={8}><VisuallyHidden>Actions</VisuallyHidden></Table.ColumnHeader>
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {jobs.map((job) => (
            <Table.Row key={job.id}>
              {selection === undefined ? undefined : (
                <Table.Cell>
                  <Check
                    checked={selection.has(job.id)} disabled={!selectable.includes(job.id)}
                    label={`Select ${job.dag_id} ${rowName(job)}`} onChange={(on) => selection.toggle([job.id], on)}
                  />
                </Table.Cell>
              )}
              {columns.map((column) => (
                <Table.Cell key={column.key} verticalAlign="top">{column.cell(job, onOpen)}</Table.Cell>
              ))}
              <Table.Cell textAlign="end"><JobMenu job={job} onAct={(act) => setAsked({ job, act })} /></Table.Cell>
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
      {asked === undefined ? undefined : (
        <JobActDialog act={asked.act} job={asked.job} onClose={() => setAsked(undefined)} pools={poolsOf(asked.job)} />
      )}
    </Box>
  );
};
