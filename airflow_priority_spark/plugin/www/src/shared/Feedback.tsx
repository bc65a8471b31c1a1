// SPDX-License-Identifier: Apache-2.0
// What stands where no data stands: loading, empty, refused.
import { Alert, EmptyState, Skeleton, Stack, VStack } from "@chakra-ui/react";
import type { ReactNode } from "react";
import type { Problem } from "../api/client";

export const Loading = ({ rows = 4, label }: { rows?: number; label: string }) => (
  <Stack aria-busy="true" aria-label={label} gap={2} py={2} role="status">
    {Array.from({ length: rows }, (_, row) => (
      <Skeleton height="8" key={row} />
    ))}
  </Stack>
);

export const Empty = ({ title, children }: { title: string; children?: ReactNode }) => (
  <EmptyState.Root size="sm">
    <EmptyState.Content>
      <VStack textAlign="center">
        <EmptyState.Title>{title}</EmptyState.Title>
        {children === undefined ? undefined : <EmptyState.Description>{children}</EmptyState.Description>}
      </VStack>
    </EmptyState.Content>
  </EmptyState.Root>
);

const ADVICE: Record<number, string> = {
  0: "The page tries again by itself.",
  401: "Your session has ended: reload the page to log in.",
  403: "Ask an administrator for the right to read this.",
};

export const ProblemAlert = ({ problem, what }: { problem: Problem; what: string }) => (
  <Alert.Root status={problem.status === 403 ? "warning" : "error"}>
    <Alert.Indicator />
    <Alert.Content>
      <Alert.Title>
        {what}: {problem.title}
      </Alert.Title>
      <Alert.Description>
        {[problem.detail, ADVICE[problem.status]].filter(Boolean).join(" ")}
      </Alert.Description>
    </Alert.Content>
  </Alert.Root>
);
