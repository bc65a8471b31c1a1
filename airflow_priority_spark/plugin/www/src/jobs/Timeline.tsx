// SPDX-License-Identifier: Apache-2.0
import { Box, Flex, Text } from "@chakra-ui/react";
import type { JobEvent } from "../api/types";
import { absolute, duration } from "../shared/format";
import { StateBadge } from "../shared/states";
import { Time, useZone } from "../shared/Time";

const since = (event: JobEvent, before: JobEvent | undefined) =>
  before === undefined ? "" : `after ${duration((Date.parse(event.at) - Date.parse(before.at)) / 1000)}`;

/** What happened to a job, oldest first, with who did it and why. */
export const Timeline = ({ events }: { events: JobEvent[] }) => {
  const zone = useZone();
  return (
    <Box as="ol" aria-label="Events" borderColor="border.emphasized" borderStartWidth={2} listStyleType="none" ms={1} ps={4}>
      {events.map((event, index) => (
        <Box as="li" key={event.id} pb={3} position="relative">
          <Box
            aria-hidden="true" bg="fg.muted" borderRadius="full" boxSize={2.5} insetStart="-22px" position="absolute" top={1.5}
          />
          <Flex alignItems="center" flexWrap="wrap" gap={2}>
            <StateBadge state={event.to_state} />
            <Text color="fg.muted" fontSize="sm"><Time at={event.at} /></Text>
            <Text color="fg.muted" fontSize="xs">{absolute(event.at, zone)} {zone} {since(event, events[index - 1])}</Text>
          </Flex>
          <Text fontSize="sm" mt={1}>
            {event.reason}
            {event.actor === null ? undefined : <Text as="span" color="fg.muted"> by {event.actor}</Text>}
          </Text>
        </Box>
      ))}
    </Box>
  );
};
