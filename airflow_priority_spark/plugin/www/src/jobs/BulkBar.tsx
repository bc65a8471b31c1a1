// SPDX-License-Identifier: Apache-2.0
// Acts on what is selected: ticked rows, or everything that the filter selects.
import { ActionBar, Button, Portal } from "@chakra-ui/react";
import { useState } from "react";
import type { BulkAnswer, Job } from "../api/types";
import { count } from "../shared/format";
import { type Act, ACTS, BULK_ACTS, numberOf, offered, type Selected } from "./acts";
import { BulkActDialog } from "./JobActDialog";

interface BulkBarProps {
  /** Ticked jobs. */
  jobs: Job[];
  /** Jobs that the filter selects; null: too many to count. */
  total: number | null;
  filter: Record<string, string | readonly string[]>;
  pools: string[];
  onClear: () => void;
  onDone: (answer: BulkAnswer) => void;
}

export const BulkBar = ({ jobs, total, filter, pools, onClear, onDone }: BulkBarProps) => {
  const [everything, setEverything] = useState(false);
  const [act, setAct] = useState<Act>();
  const wide = everything && total !== null;
  const number = wide ? total : numberOf(jobs);
  const selected: Selected = wide ? { filter } : { rows: jobs };
  const possible = (name: Act) => wide || jobs.some((job) => offered(job).includes(name));
  return (
    <>
      <ActionBar.Root closeOnInteractOutside={false} open={jobs.length > 0 && act === undefined}>
        <Portal>
          <ActionBar.Positioner>
            <ActionBar.Content aria-label="Acts on the selected jobs" role="toolbar">
              <ActionBar.SelectionTrigger asChild>
                <span role="status">{count(number, "job")} selected</span>
              </ActionBar.SelectionTrigger>
              {!everything && total !== null && total > numberOf(jobs) ? (
                <Button onClick={() => setEverything(true)} size="sm" variant="ghost">
                  Select all {total.toLocaleString("en")} that match
                </Button>
              ) : undefined}
              <ActionBar.Separator />
              {BULK_ACTS.filter(possible).map((name) => (
                <Button
                  colorPalette={ACTS[name].harmful ? "danger" : "brand"} key={name} onClick={() => setAct(name)} size="sm" variant="outline"
                >
                  {ACTS[name].label}
                </Button>
              ))}
              <Button
                onClick={() => {
                  setEverything(false);
                  onClear();
                }}
                size="sm" variant="ghost"
              >
                Clear selection
              </Button>
            </ActionBar.Content>
          </ActionBar.Positioner>
        </Portal>
      </ActionBar.Root>
      {act === undefined ? undefined : (
        <BulkActDialog
          act={act} number={number} onClose={() => setAct(undefined)}
          onDone={(answer) => {
            setEverything(false);
            onDone(answer);
          }}
          pools={pools} selected={selected}
        />
      )}
    </>
  );
};
