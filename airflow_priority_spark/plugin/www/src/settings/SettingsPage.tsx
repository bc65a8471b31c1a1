// SPDX-License-Identifier: Apache-2.0
// Each value that governs admission, where it comes from, and since when.
import { Badge, Box, Button, Code, Flex, Heading, Stack, Table, Text } from "@chakra-ui/react";
import { useState } from "react";
import type { Queue, QueueSettings, Setting, SettingRow } from "../api/types";
import { useData } from "../api/useData";
import { Choice } from "../shared/Choice";
import { Empty, Loading, ProblemAlert } from "../shared/Feedback";
import { Time } from "../shared/Time";
import type { UrlState } from "../shared/urlState";
import { QUEUE_FIELDS } from "./fields";
import { FlowsPart } from "./FlowsPart";
import { SettingsDialog } from "./SettingsDialog";

/** A value as a person would write it. */
export const written = (value: unknown): string => {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) return value.length === 0 ? "–" : value.map(written).join(", ");
  if (typeof value === "object") {
    return Object.entries(value).map(([key, inner]) => `${key}: ${written(inner)}`).join(", ") || "–";
  }
  return String(value);
};

/** What was set on purpose stands out. */
const PALETTES: Record<string, string> = { pool: "purple", queue: "blue", site: "teal", "airflow.cfg": "orange" };

interface SettingsTableProps {
  title: string;
  settings: Record<string, Setting>;
  /** Without it nobody may change them here. */
  onEdit?: () => void;
}

const SettingsTable = ({ title, settings, onEdit }: SettingsTableProps) => (
  <Box as="section">
    <Flex alignItems="center" justifyContent="space-between" mb={2}>
      <Heading size="sm">{title}</Heading>
      {onEdit === undefined ? undefined : (
        <Button aria-label={`Edit: ${title}`} onClick={onEdit} size="xs" variant="outline">Edit…</Button>
      )}
    </Flex>
    <Box overflowX="auto">
      <Table.Root aria-label={title} striped tableLayout="fixed">
        <Table.Header>
          <Table.Row>
            {["Setting", "Value", "Comes from", "Since", "By"].map((name) => (
              <Table.ColumnHeader fontWeight="semibold" key={name}>{name}</Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {Object.entries(settings).map(([key, setting]) => (
            <Table.Row key={key}>
              <Table.Cell verticalAlign="top" width="72">
                {key}
                {setting.description ? <Text color="fg.muted" fontSize="xs" maxW="lg">{setting.description}</Text> : undefined}
              </Table.Cell>
              <Table.Cell verticalAlign="top"><Code bg="transparent" whiteSpace="normal">{written(setting.value)}</Code></Table.Cell>
              <Table.Cell verticalAlign="top">
                <Badge colorPalette={PALETTES[setting.source] ?? "gray"} variant="subtle">{setting.source}</Badge>
              </Table.Cell>
              <Table.Cell verticalAlign="top"><Time at={setting.since ?? null} /></Table.Cell>
              <Table.Cell verticalAlign="top">{setting.by ?? "–"}</Table.Cell>
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
    </Box>
  </Box>
);

const keyed = (rows: SettingRow[], wanted: (row: SettingRow) => boolean): Record<string, Setting> =>
  Object.fromEntries(rows.filter(wanted).map((row) => [row.key, row]));

/** In the order in which they are edited. */
const ordered = (settings: Record<string, Setting>): Record<string, Setting> => {
  const known = QUEUE_FIELDS.filter(({ key }) => key in settings).map(({ key }) => [key, settings[key]] as const);
  return { ...Object.fromEntries(known), ...settings } as Record<string, Setting>;
};

const clustersIn = (rows: SettingRow[]) => [...new Set(rows.filter(({ scope }) => scope === "cluster").map(({ where }) => where))];

const QueuePart = ({ queue, editable }: { queue: Queue; editable: boolean }) => {
  /** The pool that is edited; "" is the queue itself. */
  const [edited, setEdited] = useState<string>();
  const editing = (pool: string) => (editable ? () => setEdited(pool) : undefined);
  const { data, error } = useData<QueueSettings>(`queues/${queue.id}`);
  if (error !== undefined) return <ProblemAlert problem={error} what="The queue's settings cannot be shown" />;
  if (data === undefined) return <Loading label="Loading the queue's settings" />;
  const name = `${queue.namespace} on ${queue.cluster}`;
  return (
    <Stack gap={5}>
      <SettingsTable onEdit={editing("")} settings={ordered(data.settings)} title={`Queue ${name}`} />
      {Object.entries(data.pool_settings).map(([pool, settings]) => (
        <SettingsTable key={pool} onEdit={editing(pool)} settings={ordered(settings)} title={`Priority pool ${pool} of ${queue.namespace}`} />
      ))}
      {edited === undefined ? undefined : (
        <SettingsDialog onClose={() => setEdited(undefined)} pool={edited || undefined} queue={queue} />
      )}
    </Stack>
  );
};

interface SettingsPageProps {
  queues: Queue[];
  state: UrlState;
  editable: boolean;
}

export const SettingsPage = ({ queues, state, editable }: SettingsPageProps) => {
  const site = useData<{ settings: SettingRow[] }>("settings");
  const { namespace, cluster } = state.filters;
  const of = (queue: Queue) => `${queue.cluster}/${queue.namespace}`;
  const options = queues.map((queue) => ({ value: of(queue), label: `${queue.namespace} on ${queue.cluster}` }));
  const chosen =
    queues.find((queue) => queue.namespace === namespace && (cluster === undefined || queue.cluster === cluster)) ?? queues[0];
  const choose = (value: string) => {
    const queue = queues.find((one) => of(one) === value);
    if (queue !== undefined) state.change({ namespace: queue.namespace, cluster: queue.cluster });
  };
  return (
    <Stack gap={5}>
      {chosen === undefined ? <Empty title="No queue yet" /> : (
        <>
          <Choice label="Queue" onChange={choose} options={options} value={of(chosen)} width="72" />
          <QueuePart editable={editable} key={chosen.id} queue={chosen} />
        </>
      )}
      <FlowsPart editable={editable} />
      {site.error === undefined ? undefined : <ProblemAlert problem={site.error} what="The site's settings cannot be shown" />}
      {site.data === undefined ? site.error === undefined && <Loading label="Loading the site's settings" /> : (
        <>
          <SettingsTable settings={keyed(site.data.settings, ({ scope }) => scope === "site")} title="Site" />
          {clustersIn(site.data.settings).map((name) => (
            <SettingsTable
              key={name} settings={keyed(site.data?.settings ?? [], ({ scope, where }) => scope === "cluster" && where === name)}
              title={`Cluster ${name}`}
            />
          ))}
        </>
      )}
    </Stack>
  );
};
