// SPDX-License-Identifier: Apache-2.0
// Which deployment flows are set, and moving a DAG, a team, a namespace or the site to another one.
import { Alert, Box, Button, Field, Flex, Heading, Input, Stack, Table, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Problem, send } from "../api/client";
import { reloadAll } from "../api/live";
import type { Flow, Migrated } from "../api/types";
import { useData } from "../api/useData";
import { Choice } from "../shared/Choice";
import { ProblemAlert } from "../shared/Feedback";
import { count } from "../shared/format";
import { ReasonDialog } from "../shared/ReasonDialog";
import { Time } from "../shared/Time";

const SCOPES = [
  { value: "dag_id", label: "DAG" }, { value: "namespace", label: "Namespace" },
  { value: "team", label: "Team" }, { value: "site", label: "Whole site" },
];

const FLOWS = [
  { value: "legacy", label: "legacy – straight to the cluster" },
  { value: "observe", label: "observe – verdicts are recorded, jobs start at once" },
  { value: "priority", label: "priority – through the queue" },
];

/** So many of those that stay are named. */
const NAMED = 5;

const Outcome = ({ done }: { done: Migrated }) => (
  <Alert.Root role="status" size="sm" status={done.stayed_count > 0 ? "warning" : "info"}>
    <Alert.Indicator />
    <Alert.Content>
      <Alert.Title>
        {done.dry_run ? "Would move" : "Moved"} {count(done.moved, "waiting job")}
        {done.stayed_count > 0 ? `; ${done.stayed_count} stay` : ""}
        {done.override ? "; jobs to come follow." : "; for jobs to come nothing changes."}
      </Alert.Title>
      <Alert.Description>
        {done.stayed.slice(0, NAMED).map(({ id, detail }) => <Text key={id}>{id}: {detail}</Text>)}
      </Alert.Description>
    </Alert.Content>
  </Alert.Root>
);

const problemOf = (error: unknown) => (error instanceof Problem ? error : new Problem(0, "Failed", String(error)));

const FlowDialog = ({ onClose, onDone }: { onClose: () => void; onDone: (done: Migrated) => void }) => {
  const [scope, setScope] = useState("dag_id");
  const [value, setValue] = useState("");
  const [to, setTo] = useState("legacy");
  const [tried, setTried] = useState<Migrated | Problem>();
  const target = { scope, value: scope === "site" ? "" : value.trim(), to };
  const incomplete = scope !== "site" && target.value === "";
  const migrate = (reason: string, dry_run: boolean) => send<Migrated>("POST", "flows/migrate", { ...target, reason, dry_run });
  const attempt = () => void migrate("dry run", true).then(setTried).catch((error: unknown) => setTried(problemOf(error)));
  const choose = (set: (value: string) => void) => (chosen: string) => {
    set(chosen);
    setTried(undefined);
  };
  return (
    <ReasonDialog
      confirm="Change flow" incomplete={incomplete} onClose={onClose}
      onConfirm={async (reason) => {
        onDone(await migrate(reason, false));
        reloadAll();
      }}
      title="Change the flow of many jobs?"
    >
      <Text>Jobs that wait move at once, jobs to come follow. To legacy it works with no arbiter running.</Text>
      <Flex gap={2}>
        <Choice label="Jobs of" onChange={choose(setScope)} options={SCOPES} value={scope} />
        {scope === "site" ? undefined : (
          <Field.Root>
            <Field.Label color="fg.muted" fontSize="xs">Its name</Field.Label>
            <Input maxLength={250} onChange={(event) => choose(setValue)(event.currentTarget.value)} size="sm" value={value} />
          </Field.Root>
        )}
      </Flex>
      <Choice label="Flow" onChange={choose(setTo)} options={FLOWS} value={to} width="full" />
      <Button alignSelf="start" disabled={incomplete} onClick={attempt} size="sm" variant="outline">Tell what would happen</Button>
      {tried === undefined ? undefined : tried instanceof Problem ? <ProblemAlert problem={tried} what="Refused" /> : <Outcome done={tried} />}
    </ReasonDialog>
  );
};

export const FlowsPart = ({ editable }: { editable: boolean }) => {
  const { data, error } = useData<{ flows: Flow[] }>("flows");
  const [open, setOpen] = useState(false);
  const [done, setDone] = useState<Migrated>();
  return (
    <Box as="section">
      <Flex alignItems="center" justifyContent="space-between" mb={2}>
        <Heading size="sm">Deployment flows</Heading>
        {editable ? <Button onClick={() => setOpen(true)} size="xs" variant="outline">Change flow…</Button> : undefined}
      </Flex>
      <Stack gap={2}>
        {done === undefined ? undefined : <Outcome done={done} />}
        {error === undefined ? undefined : <ProblemAlert problem={error} what="The flows cannot be shown" />}
        {data?.flows.length === 0 ? <Text color="fg.muted" fontSize="sm">None is set: every job takes the flow of the site, or of its task.</Text> : undefined}
        {data === undefined || data.flows.length === 0 ? undefined : (
          <Table.Root aria-label="Deployment flows" striped>
            <Table.Header>
              <Table.Row>
                {["Jobs of", "Flow", "Since", "By"].map((name) => <Table.ColumnHeader fontWeight="semibold" key={name}>{name}</Table.ColumnHeader>)}
              </Table.Row>
            </Table.Header>
            <Table.Body>
              {data.flows.map((flow) => (
                <Table.Row key={`${flow.scope} ${flow.value}`}>
                  <Table.Cell>{SCOPES.find(({ value }) => value === flow.scope)?.label ?? flow.scope} {flow.value}</Table.Cell>
                  <Table.Cell>{flow.flow}</Table.Cell>
                  <Table.Cell><Time at={flow.since} /></Table.Cell>
                  <Table.Cell>{flow.by}</Table.Cell>
                </Table.Row>
              ))}
            </Table.Body>
          </Table.Root>
        )}
      </Stack>
      {open ? <FlowDialog onClose={() => setOpen(false)} onDone={setDone} /> : undefined}
    </Box>
  );
};
