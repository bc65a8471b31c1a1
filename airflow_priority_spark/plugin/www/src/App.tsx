// SPDX-License-Identifier: Apache-2.0
// The place in the host decides what is shown, and what the host hands over tells the place.
import { useEffect, useState } from "react";
import { useLocation, useNavigate } from "react-router-dom";
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

/** The host has been asked to draw us once more since it loaded the bundle. */
let settled = false;

/** A host that draws us again does so within this time; one that has no need to is not waited for any longer. */
const HOST_MS = 1000;

/**
 * The host shows a bundle that it has just loaded as a lazy component, and from its next drawing on as a plain one:
 * a new component to React, which throws away what was typed and ticked. That next drawing would be the first change
 * of the address; so it is asked for at once, and nothing is shown before there is nothing to lose any more.
 */
const useSettledHost = (): boolean => {
  const navigate = useNavigate();
  const { search, hash, state } = useLocation();
  const [ready, setReady] = useState(settled);
  useEffect(() => {
    if (settled) return;
    settled = true;
    void navigate({ search, hash }, { replace: true, state: state as unknown });
  }, [navigate, search, hash, state]);
  useEffect(() => {
    // The component that asked is thrown away; the next one is ready from the start.
    const timer = window.setTimeout(() => setReady(true), HOST_MS);
    return () => window.clearTimeout(timer);
  }, []);
  return ready;
};

export const App = (props: HostProps) => {
  const ready = useSettledHost();
  return ready ? (
    <TimesProvider>
      <View {...props} />
    </TimesProvider>
  ) : undefined;
};
