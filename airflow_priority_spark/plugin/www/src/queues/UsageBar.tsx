// SPDX-License-Identifier: Apache-2.0
// One resource of a queue: what its pods use, what is promised beyond that, what is left of the limit.
import { Box, Flex, Text } from "@chakra-ui/react";
import type { ResourceUse } from "../api/types";
import { amount } from "../shared/format";

const percent = (part: number, whole: number) => (whole <= 0 ? 0 : Math.min(100, Math.max(0, (part / whole) * 100)));

const inWords = ({ resource, hard, used, granted, free }: ResourceUse) => {
  const parts = [`${amount(resource, used)} used`];
  if (granted > 0) parts.push(`${amount(resource, granted)} granted`);
  parts.push(hard === null || free === null ? "no limit" : `${amount(resource, Math.max(0, free))} free of ${amount(resource, hard)}`);
  return parts.join(", ");
};

/** `memory` blocks what a quota calls `requests.memory`. */
export const isBlocking = (resource: string, blocking: readonly string[]) =>
  blocking.some((name) => resource === name || resource === `requests.${name}`);

export const UsageBar = ({ use, blocking }: { use: ResourceUse; blocking: boolean }) => {
  const whole = use.hard ?? use.used + use.granted;
  const used = percent(use.used, whole);
  // A grant covers its job's own pods too: what is neither used nor free is promised beyond them.
  const promised = use.free === null ? use.granted : whole - use.used - use.free;
  const granted = Math.min(100 - used, percent(promised, whole));
  return (
    <Box>
      <Flex fontSize="xs" gap={2} justifyContent="space-between" mb={0.5}>
        <Text color={blocking ? "red.fg" : undefined} flexShrink={0} fontWeight="semibold">
          {use.resource}
          {blocking ? " (blocking)" : ""}
        </Text>
        <Text color="fg.muted" textAlign="end" title={use.holder ?? undefined}>
          {inWords(use)}
        </Text>
      </Flex>
      <Flex aria-hidden="true" bg="bg.emphasized" borderRadius="full" height="2" overflow="hidden">
        <Box bg={blocking ? "failed.solid" : "running.solid"} width={`${used}%`} />
        <Box
          backgroundImage="repeating-linear-gradient(45deg, currentColor 0 3px, transparent 3px 6px)"
          color={blocking ? "failed.solid" : "running.solid"}
          width={`${granted}%`}
        />
      </Flex>
    </Box>
  );
};
