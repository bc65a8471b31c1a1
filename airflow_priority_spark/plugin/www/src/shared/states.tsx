// SPDX-License-Identifier: Apache-2.0
// States in the colours that Airflow gives its own, so that the same colour means the same on every page.
import { Badge, HStack } from "@chakra-ui/react";
import type { JobState } from "../api/types";

const PALETTES: Record<JobState, string> = {
  held: "orange",
  queued: "queued",
  admitted: "scheduled",
  submitted: "restarting",
  running: "running",
  succeeded: "success",
  failed: "failed",
  cancelled: "skipped",
};

export const ENDED: readonly JobState[] = ["succeeded", "failed", "cancelled"];

/** White on Airflow's light green for what runs is hard to read: the darker one of the same hue. */
const READABLE = { bg: "running.fg", color: "bg" };

export const StateBadge = ({ state, children }: { state: JobState; children?: string }) => (
  <Badge
    borderRadius="full" colorPalette={PALETTES[state]} fontSize="xs" px={2} py={0.5} variant={state === "held" ? "subtle" : "solid"}
    {...(state === "running" ? READABLE : {})}
  >
    {children ?? state}
  </Badge>
);

/** How the tasks of a mapped task are spread over the states. */
export const StateCounts = ({ states }: { states: Partial<Record<JobState, number>> }) => (
  <HStack flexWrap="wrap" gap={1}>
    {(Object.entries(states) as [JobState, number][])
      .filter(([, number]) => number > 0)
      .map(([state, number]) => (
        <StateBadge key={state} state={state}>{`${number} ${state}`}</StateBadge>
      ))}
  </HStack>
);
