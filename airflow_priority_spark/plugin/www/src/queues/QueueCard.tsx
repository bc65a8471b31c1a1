// SPDX-License-Identifier: Apache-2.0
import { Badge, Box, Flex, Heading, HStack, Stack, Text } from "@chakra-ui/react";
import type { Queue } from "../api/types";
import { count, duration } from "../shared/format";
import { PoolLaneRow } from "./PoolLaneRow";
import { QueueMenu } from "./QueueMenu";
import { isBlocking, UsageBar } from "./UsageBar";

interface QueueCardProps {
  queue: Queue;
  editable: boolean;
  poolAddress: (queue: Queue, pool: string) => string;
  onOpenJob: (id: string) => void;
}

const Badges = ({ queue }: { queue: Queue }) => (
  <HStack gap={1}>
    {queue.paused ? <Badge colorPalette="orange" size="sm" variant="subtle">paused</Badge> : undefined}
    {queue.draining ? <Badge colorPalette="purple" size="sm" variant="solid">draining</Badge> : undefined}
    {queue.pools.some((pool) => pool.late) ? <Badge colorPalette="red" size="sm" variant="solid">late</Badge> : undefined}
  </HStack>
);

const Numbers = ({ queue }: { queue: Queue }) => (
  <Text color="fg.muted" fontSize="sm">
    {count(queue.length, "waiting", "waiting")}
    {queue.held > 0 ? `, ${queue.held} held` : ""}, {queue.active}
    {queue.job_limit === null ? "" : ` of ${queue.job_limit}`} active, {queue.running} running
    {queue.oldest_wait_seconds === null ? "" : `; oldest wait ${duration(queue.oldest_wait_seconds)}`}
  </Text>
);

export const QueueCard = ({ queue, editable, poolAddress, onOpenJob }: QueueCardProps) => (
  <Box
    aria-label={`Queue ${queue.namespace} on ${queue.cluster}`} as="section" borderColor="border.emphasized"
    borderRadius={8} borderWidth={1} data-testid={`queue-${queue.namespace}`} p={3}
  >
    <Flex alignItems="start" justifyContent="space-between">
      <Box minW={0}>
        <HStack flexWrap="wrap">
          <Heading size="sm" truncate>{queue.namespace}</Heading>
          <Text color="fg.muted" fontSize="sm">{queue.cluster}</Text>
          <Badges queue={queue} />
        </HStack>
        <Numbers queue={queue} />
        <Text color="fg.muted" fontSize="xs">
          weight {queue.weight} among queues, {queue.policy}
        </Text>
      </Box>
      {editable ? <QueueMenu queue={queue} /> : undefined}
    </Flex>
    <Stack gap={2} my={3}>
      {queue.resources.map((use) => (
        <UsageBar blocking={isBlocking(use.resource, queue.blocking)} key={use.resource} use={use} />
      ))}
      {queue.resources.length === 0 ? <Text color="fg.muted" fontSize="xs">No quota and no declared capacity.</Text> : undefined}
    </Stack>
    <Box as="ul" m={0} p={0}>
      {queue.pools.map((pool) => (
        <PoolLaneRow
          key={pool.name} listed={poolAddress(queue, pool.name)} onOpenJob={onOpenJob} pool={pool} queue={queue}
        />
      ))}
    </Box>
  </Box>
);
