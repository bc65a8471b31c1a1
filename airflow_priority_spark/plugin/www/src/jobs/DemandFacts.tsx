// SPDX-License-Identifier: Apache-2.0
// What a job asks for: the sum, how it comes about, and each pod set.
import { Alert, Stack, Table, Text } from "@chakra-ui/react";
import type { JobDetail, PodSet } from "../api/types";
import { amounts } from "../shared/format";

const Row = ({ name, pods }: { name: string; pods: PodSet }) => {
  const placed = Object.entries(pods.node_selector).map(([key, value]) => `${key}=${value}`);
  return (
    <Table.Row>
      <Table.Cell>{name}</Table.Cell>
      <Table.Cell>{pods.count}</Table.Cell>
      <Table.Cell>{amounts(pods.requests)}</Table.Cell>
      <Table.Cell>{amounts(pods.limits) || "–"}</Table.Cell>
      <Table.Cell>{placed.join(", ") || "anywhere"}</Table.Cell>
    </Table.Row>
  );
};

export const DemandFacts = ({ job }: { job: JobDetail }) => {
  const { driver, executor, explain, declared, exceeded } = job.demand_detail;
  return (
    <Stack gap={2}>
      <Text fontSize="sm">{explain}</Text>
      {declared === null ? undefined : <Text fontSize="sm">Somebody changed it; its author asked for: {declared}</Text>}
      {exceeded ? (
        <Alert.Root size="sm" status="warning">
          <Alert.Indicator />
          <Alert.Title>Its pods use more than it asked for, and it is charged what they use.</Alert.Title>
        </Alert.Root>
      ) : undefined}
      <Table.Root aria-label="Demand by pods" size="sm">
        <Table.Header>
          <Table.Row>
            {["Pods", "Count", "Requests of each", "Limits of each", "Nodes"].map((title) => (
              <Table.ColumnHeader key={title}>{title}</Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {driver === null ? undefined : <Row name="driver" pods={driver} />}
          {executor === null ? undefined : <Row name="executors" pods={executor} />}
        </Table.Body>
      </Table.Root>
    </Stack>
  );
};
