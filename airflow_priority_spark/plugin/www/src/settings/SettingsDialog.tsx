// SPDX-License-Identifier: Apache-2.0
// Change the settings of a queue or of one of its priority pools.
import { Field, Input, List, NativeSelect, SimpleGrid, Stack, Text, Textarea } from "@chakra-ui/react";
import { useState } from "react";
import { send } from "../api/client";
import { reloadAll } from "../api/live";
import type { Queue, QueueSettings } from "../api/types";
import { useData } from "../api/useData";
import { ProblemAlert } from "../shared/Feedback";
import { ReasonDialog } from "../shared/ReasonDialog";
import {
  changesOf, inherited, ownTexts, POOL_FIELDS, QUEUE_FIELDS, type FieldChange, type SettingField, type Settings,
} from "./fields";

interface FieldInputProps {
  field: SettingField;
  value: string;
  /** What holds while it is empty. */
  otherwise: string;
  onChange: (value: string) => void;
}

const FieldInput = ({ field, value, otherwise, onChange }: FieldInputProps) => {
  const shared = { onChange: (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value), value };
  const placeholder = otherwise === "" ? "none" : otherwise;
  return (
    <Field.Root gridColumn={field.quantities ? "1 / -1" : undefined}>
      <Field.Label fontSize="sm">{field.key}</Field.Label>
      {field.options !== undefined ? (
        <NativeSelect.Root size="sm">
          <NativeSelect.Field {...shared}>
            {field.required ? undefined : <option value="">{placeholder}</option>}
            {field.options.map((option) => <option key={option} value={option}>{option}</option>)}
          </NativeSelect.Field>
          <NativeSelect.Indicator />
        </NativeSelect.Root>
      ) : field.quantities ? (
        <Textarea {...shared} placeholder={placeholder} rows={2} size="sm" />
      ) : (
        <Input {...shared} autoComplete="off" inputMode="numeric" placeholder={placeholder} size="sm" />
      )}
      <Field.HelperText fontSize="xs">{field.hint}</Field.HelperText>
    </Field.Root>
  );
};

const Changes = ({ changes }: { changes: FieldChange[] }) => (
  <Stack aria-label="Changes" as="section" gap={1}>
    <Text fontSize="sm" fontWeight="semibold">
      {changes.length === 0 ? "Nothing is changed yet." : "This will be changed:"}
    </Text>
    <List.Root fontSize="sm" ps={5}>
      {changes.map(({ key, before, after }) => (
        <List.Item key={key}>{key}: {before || "inherited"} → {after.trim() || "inherited"}</List.Item>
      ))}
    </List.Root>
  </Stack>
);

interface FormProps {
  title: string;
  path: string;
  scope: "queue" | "pool";
  settings: Settings;
  onClose: () => void;
}

const SettingsForm = ({ title, path, scope, settings, onClose }: FormProps) => {
  const fields = scope === "queue" ? QUEUE_FIELDS : POOL_FIELDS;
  // What was there when the dialog opened: a reload must not change it under somebody's hands.
  const [found] = useState(() => ({ settings, texts: ownTexts(fields, settings, scope) }));
  const [typed, setTyped] = useState(found.texts);
  const changes = changesOf(fields, found.texts, typed);
  const save = async (reason: string) => {
    await send("PATCH", path, { ...Object.fromEntries(changes.map(({ key, value }) => [key, value])), reason });
    reloadAll();
  };
  return (
    <ReasonDialog confirm="Change settings" incomplete={changes.length === 0} onClose={onClose} onConfirm={save} size="lg" title={title}>
      <SimpleGrid columns={{ base: 1, md: 2 }} gap={3}>
        {fields.map((field) => (
          <FieldInput
            field={field} key={field.key} onChange={(value) => setTyped({ ...typed, [field.key]: value })}
            otherwise={inherited(field, found.settings, scope)} value={typed[field.key] ?? ""}
          />
        ))}
      </SimpleGrid>
      <Changes changes={changes} />
    </ReasonDialog>
  );
};

interface SettingsDialogProps {
  queue: Queue;
  /** Of this pool; without it of the queue. */
  pool?: string;
  onClose: () => void;
}

export const SettingsDialog = ({ queue, pool, onClose }: SettingsDialogProps) => {
  const { data, error } = useData<QueueSettings>(`queues/${queue.id}`);
  const settings = pool === undefined ? data?.settings : data?.pool_settings[pool];
  if (settings === undefined) return error === undefined ? undefined : <ProblemAlert problem={error} what="The settings cannot be read" />;
  const path = `queues/${queue.id}`;
  return pool === undefined ? (
    <SettingsForm onClose={onClose} path={path} scope="queue" settings={settings} title={`Settings of queue ${queue.namespace} on ${queue.cluster}`} />
  ) : (
    <SettingsForm
      onClose={onClose} path={`${path}/pools/${encodeURIComponent(pool)}`} scope="pool" settings={settings}
      title={`Settings of pool ${pool} of ${queue.namespace} on ${queue.cluster}`}
    />
  );
};
