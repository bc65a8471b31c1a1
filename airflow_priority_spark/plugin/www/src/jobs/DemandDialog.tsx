// SPDX-License-Identifier: Apache-2.0
// Another demand for a job that waits: how much room is reserved for it.
import { Field, Input, SimpleGrid, Text } from "@chakra-ui/react";
import { useState } from "react";
import { send } from "../api/client";
import { reloadAll } from "../api/live";
import type { Job, JobDetail } from "../api/types";
import { useData } from "../api/useData";
import { ProblemAlert } from "../shared/Feedback";
import { rowName } from "../shared/links";
import { ReasonDialog } from "../shared/ReasonDialog";
import { ACTS } from "./acts";
import { demandFields, wantedDemand } from "./demand";

const DemandForm = ({ job, onClose }: { job: JobDetail; onClose: () => void }) => {
  const [fields] = useState(() => demandFields(job.demand_detail));
  const [typed, setTyped] = useState<Record<string, string>>({});
  const demand = wantedDemand(fields, typed);
  const save = async (reason: string) => {
    await send("PATCH", `jobs/${encodeURIComponent(job.id)}`, { demand, reason });
    reloadAll();
  };
  return (
    <ReasonDialog
      confirm={ACTS.demand.label} incomplete={demand === undefined} onClose={onClose} onConfirm={save}
      title={`${ACTS.demand.label}: ${rowName(job)}?`}
    >
      <Text>
        <Text as="span" fontWeight="semibold">{job.dag_id} / {rowName(job)}</Text>. {ACTS.demand.meaning}
      </Text>
      <SimpleGrid columns={2} gap={3}>
        {fields.map(({ label, text }) => (
          <Field.Root key={label}>
            <Field.Label fontSize="sm">{label}</Field.Label>
            <Input
              autoComplete="off" onChange={(event) => setTyped({ ...typed, [label]: event.currentTarget.value })} size="sm"
              value={typed[label] ?? text}
            />
          </Field.Root>
        ))}
      </SimpleGrid>
    </ReasonDialog>
  );
};

export const DemandDialog = ({ job, onClose }: { job: Job; onClose: () => void }) => {
  const { data, error } = useData<JobDetail>(`jobs/${encodeURIComponent(job.id)}`);
  if (data !== undefined) return <DemandForm job={data} onClose={onClose} />;
  return error === undefined ? undefined : <ProblemAlert problem={error} what="The demand cannot be read" />;
};
