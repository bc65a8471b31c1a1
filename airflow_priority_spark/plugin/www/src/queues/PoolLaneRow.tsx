// SPDX-License-Identifier: Apache-2.0
// One priority pool of a queue: how many wait, who is first, and what for.
import { Badge, Box, Button, Flex, HStack, Link, Text } from "@chakra-ui/react";
import { Link as RouterLink } from "react-router-dom";
import type { PoolLane, Queue } from "../api/types";
import { count, duration } from "../shared/format";

interface PoolLaneRowProps {
  queue: Queue;
  pool: PoolLane;
  /** Address of the waiting list of this pool. */
  listed: string;
  onOpenJob: (id: string) => void;
}

const Head = ({ pool, onOpenJob }: Pick<PoolLaneRowProps, "pool" | "onOpenJob">) => {
  const { head } = pool;
  if (head === null) return <Text color="fg.muted" fontSize="xs">{pool.length > 0 ? "no head yet" : "no job waits"}</Text>;
  const name = head.dag_id === null ? "a job you may not see" : `${head.dag_id} / ${head.task_id}`;
  return (
    <Text fontSize="xs">
      {head.job_id === null || head.dag_id === null ? (
        <Text as="span" color="fg.muted">{name}</Text>
      ) : (
        <Button
          color="fg.info" fontSize="xs" height="auto" onClick={() => onOpenJob(head.job_id ?? "")} px={0}
          size="xs" variant="plain"
        >
          {name}
        </Button>
      )}
      {head.sentence === "" ? "" : ` – ${head.sentence}`}
      {head.protecting ? <Badge colorPalette="orange" ml={1} size="xs" variant="subtle">protecting</Badge> : undefined}
    </Text>
  );
};

export const PoolLaneRow = ({ queue, pool, listed, onOpenJob }: PoolLaneRowProps) => {
  const limit = pool.job_limit === null ? "" : ` of ${pool.job_limit}`;
  return (
    <Box as="li" borderColor="border" borderTopWidth={1} listStyleType="none" py={1.5}>
      <Flex alignItems="center" flexWrap="wrap" gap={2} justifyContent="space-between">
        <HStack gap={2}>
          <Link asChild color="fg.info" fontSize="sm" fontWeight="semibold">
            <RouterLink aria-label={`Waiting jobs of ${queue.namespace}/${pool.name}`} to={listed}>
              {pool.name}
            </RouterLink>
          </Link>
          <Text color="fg.muted" fontSize="xs">weight {pool.weight}</Text>
          {pool.late ? <Badge colorPalette="red" size="xs" variant="solid">late</Badge> : undefined}
        </HStack>
        <Text color="fg.muted" fontSize="xs">
          {count(pool.length, "waiting", "waiting")}
          {pool.held > 0 ? `, ${pool.held} held` : ""}, {pool.active}
          {limit} active
          {pool.oldest_wait_seconds === null ? "" : `, oldest ${duration(pool.oldest_wait_seconds)}`}
        </Text>
      </Flex>
      <Head onOpenJob={onOpenJob} pool={pool} />
    </Box>
  );
};
