// SPDX-License-Identifier: Apache-2.0
import { CloseButton, Drawer, Link, Portal } from "@chakra-ui/react";
import { Link as RouterLink } from "react-router-dom";
import type { JobDetail, Queue } from "../api/types";
import { useData } from "../api/useData";
import { Loading, ProblemAlert } from "../shared/Feedback";
import { jobName, taskPath } from "../shared/links";
import { JobFacts } from "./JobFacts";
import { poolsIn } from "./JobsView";

interface JobDrawerProps {
  id: string;
  queues: Queue[];
  onClose: () => void;
}

/** One job beside the list it was opened from. */
export const JobDrawer = ({ id, queues, onClose }: JobDrawerProps) => {
  const { data, error, loading } = useData<JobDetail>(id === "" ? null : `jobs/${encodeURIComponent(id)}`);
  const job = loading ? undefined : data;
  return (
    <Drawer.Root onOpenChange={({ open }) => open || onClose()} open={id !== ""} size="lg">
      <Portal>
        <Drawer.Backdrop />
        <Drawer.Positioner>
          <Drawer.Content>
            <Drawer.Header>
              <Drawer.Title>
                {job === undefined ? "Job" : (
                  <Link asChild color="fg.info">
                    <RouterLink to={taskPath(job)}>{job.dag_id} / {jobName(job)}</RouterLink>
                  </Link>
                )}
              </Drawer.Title>
            </Drawer.Header>
            <Drawer.Body>
              {error === undefined ? undefined : <ProblemAlert problem={error} what="The job cannot be shown" />}
              {job === undefined ? error === undefined && <Loading label="Loading the job" /> : (
                <JobFacts job={job} pools={poolsIn(queues, [job])} />
              )}
            </Drawer.Body>
            <Drawer.CloseTrigger asChild>
              <CloseButton aria-label="Close" size="sm" />
            </Drawer.CloseTrigger>
          </Drawer.Content>
        </Drawer.Positioner>
      </Portal>
    </Drawer.Root>
  );
};
