// SPDX-License-Identifier: Apache-2.0
// For which resource jobs waited, hour by hour. A table, so that a screen reader walks through it.
import { Box, chakra, Heading, Text, VisuallyHidden } from "@chakra-ui/react";
import type { HeatCell } from "../api/types";
import { absolute, duration } from "../shared/format";

const HOURS = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0"));

/** Resource → hour of the day in the reader's zone → job-seconds. */
export const byHourOfDay = (cells: HeatCell[]): Map<string, Map<string, number>> => {
  const found = new Map<string, Map<string, number>>();
  for (const { resource, hour, job_seconds } of cells) {
    const row = found.get(resource) ?? new Map<string, number>();
    const name = absolute(hour).slice(11, 13);
    row.set(name, (row.get(name) ?? 0) + job_seconds);
    found.set(resource, row);
  }
  return new Map([...found].sort(([a], [b]) => a.localeCompare(b)));
};

const Cell = ({ seconds, most, label }: { seconds: number; most: number; label: string }) => {
  // Even the smallest wait is told from none.
  const strength = seconds === 0 ? 0 : 12 + (88 * seconds) / most;
  return (
    <chakra.td p="1px">
      <Box
        bg={seconds === 0 ? "bg.muted" : `color-mix(in srgb, var(--chakra-colors-failed-solid) ${strength.toFixed(0)}%, transparent)`}
        borderRadius="sm" height={7} title={label}
      >
        <VisuallyHidden>{seconds === 0 ? "none" : duration(seconds)}</VisuallyHidden>
      </Box>
    </chakra.td>
  );
};

export const HeatMapTable = ({ cells }: { cells: HeatCell[] }) => {
  const rows = byHourOfDay(cells);
  const most = Math.max(1, ...[...rows.values()].flatMap((row) => [...row.values()]));
  return (
    <Box borderColor="border.emphasized" borderRadius={8} borderWidth={1} overflowX="auto" p={3}>
      <Heading size="sm">Waiting time by hour of the day and blocking resource</Heading>
      <Text color="fg.muted" fontSize="xs" mb={2}>Sum over all jobs that waited behind a blocked head; darkest: {duration(most)}.</Text>
      {rows.size === 0 ? <Text fontSize="sm">Nothing was blocked in this time.</Text> : (
        <chakra.table fontSize="xs" tableLayout="fixed" width="100%">
          <caption><VisuallyHidden>Waiting time by blocking resource and hour of the day</VisuallyHidden></caption>
          <thead>
            <tr>
              <chakra.th scope="col" textAlign="start" width="36">Resource</chakra.th>
              {HOURS.map((hour) => <chakra.th color="fg.muted" fontWeight="normal" key={hour} scope="col">{hour}</chakra.th>)}
            </tr>
          </thead>
          <tbody>
            {[...rows].map(([resource, row]) => (
              <tr key={resource}>
                <chakra.th fontWeight="semibold" scope="row" textAlign="start" wordBreak="break-word">{resource}</chakra.th>
                {HOURS.map((hour) => {
                  const seconds = row.get(hour) ?? 0;
                  return <Cell key={hour} label={`${resource}, ${hour}:00: ${duration(seconds)}`} most={most} seconds={seconds} />;
                })}
              </tr>
            ))}
          </tbody>
        </chakra.table>
      )}
    </Box>
  );
};
