// SPDX-License-Identifier: Apache-2.0
// What an administrator may do to a whole queue.
import { IconButton, Menu, Portal, Text } from "@chakra-ui/react";
import { useState } from "react";
import { send } from "../api/client";
import { reloadAll } from "../api/live";
import type { Queue } from "../api/types";
import { SettingsDialog } from "../settings/SettingsDialog";
import { MoreIcon } from "../shared/icons";
import { ReasonDialog } from "../shared/ReasonDialog";

type QueueAct = "pause" | "drain" | "resume";

/** What the menu calls its settings; a colon is in no name of a pool. */
const EDIT_QUEUE = "edit";
const EDIT_POOL = "edit:";

const MEANING: Record<QueueAct, string> = {
  pause: "Jobs still enter the queue, but none is admitted until somebody resumes it. Running jobs go on.",
  drain: "What waits is admitted as usual; jobs that come from now on are held until somebody resumes the queue.",
  resume: "Jobs are admitted again, in their order.",
};

export const QueueMenu = ({ queue }: { queue: Queue }) => {
  const [act, setAct] = useState<QueueAct>();
  /** The pool that is edited; "" is the queue itself. */
  const [edited, setEdited] = useState<string>();
  const offered: QueueAct[] = queue.paused || queue.draining ? ["resume"] : ["pause", "drain"];
  const choose = (value: string) => {
    if (value === EDIT_QUEUE) setEdited("");
    else if (value.startsWith(EDIT_POOL)) setEdited(value.slice(EDIT_POOL.length));
    else setAct(value as QueueAct);
  };
  const confirm = async (reason: string) => {
    await send("POST", `queues/${queue.id}/${act}`, { reason });
    reloadAll();
  };
  return (
    <>
      <Menu.Root onSelect={({ value }) => choose(value)}>
        <Menu.Trigger asChild>
          <IconButton aria-label={`Actions on queue ${queue.namespace}`} size="sm" variant="ghost">
            <MoreIcon />
          </IconButton>
        </Menu.Trigger>
        <Portal>
          <Menu.Positioner>
            <Menu.Content>
              {offered.map((name) => (
                <Menu.Item key={name} textTransform="capitalize" value={name}>
                  {name}
                </Menu.Item>
              ))}
              <Menu.Separator />
              <Menu.Item value={EDIT_QUEUE}>Edit queue…</Menu.Item>
              {queue.pools.map(({ name }) => (
                <Menu.Item key={name} value={`${EDIT_POOL}${name}`}>Edit pool {name}…</Menu.Item>
              ))}
            </Menu.Content>
          </Menu.Positioner>
        </Portal>
      </Menu.Root>
      {edited === undefined ? undefined : (
        <SettingsDialog onClose={() => setEdited(undefined)} pool={edited || undefined} queue={queue} />
      )}
      {act === undefined ? undefined : (
        <ReasonDialog
          confirm={act[0]?.toUpperCase() + act.slice(1)}
          onClose={() => setAct(undefined)}
          onConfirm={confirm}
          title={`${act[0]?.toUpperCase()}${act.slice(1)} queue ${queue.namespace} on ${queue.cluster}?`}
        >
          <Text>{MEANING[act]}</Text>
        </ReasonDialog>
      )}
    </>
  );
};
