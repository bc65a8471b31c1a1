// SPDX-License-Identifier: Apache-2.0
import { Box, Heading } from "@chakra-ui/react";

/** What the host hands to every plugin component; the place decides which are set. */
export interface HostProps {
  dagId?: string;
  runId?: string;
  taskId?: string;
  mapIndex?: string;
}

export const App = ({ dagId }: HostProps) => (
  <Box p={4}>
    <Heading size="md">Spark queues {dagId}</Heading>
  </Box>
);
