// SPDX-License-Identifier: Apache-2.0
// The place in the host decides what is shown, and what the host hands over tells the place.
import { JobsTab } from "./tabs/JobsTab";
import { QueuesPage } from "./queues/QueuesPage";
import { TimesProvider } from "./shared/Time";
import { TaskInstanceTab } from "./tabs/TaskInstanceTab";

export interface HostProps {
  dagId?: string;
  runId?: string;
  taskId?: string;
  mapIndex?: string;
}

const View = ({ dagId, runId, taskId, mapIndex }: HostProps) => {
  if (dagId === undefined) return <QueuesPage />;
  if (runId === undefined || taskId === undefined) return <JobsTab dagId={dagId} runId={runId} />;
  return <TaskInstanceTab dagId={dagId} mapIndex={mapIndex ?? "-1"} runId={runId} taskId={taskId} />;
};

export const App = (props: HostProps) => (
  <TimesProvider>
    <View {...props} />
  </TimesProvider>
);
