// SPDX-License-Identifier: Apache-2.0
// What an administrator may do to a whole queue.
import { IconButton, Menu, Portal, Text } from "@chakra-ui/react";
import { useState } from "react";
import { send } from "../api/client";
import { reloadAll } from "../api/live";
import type { Queue } from "../api/types";
import { MoreIcon } from "../shared/icons";
import { ReasonDialog } from "../shared/ReasonDialog";

type QueueAct = "pause" | "drain" | "resume";

const MEANING: Record<QueueAct, string> = {
  pause: "Jobs still enter the queue, but none is admitted until somebody resumes it. Running jobs go on.",
  drain: "What waits is admitted as usual; jobs that come from now on are held until somebody resumes the queue.",
  resume: "Jobs are admitted again, in their order.",
};

export const QueueMenu = ({ queue }: { queue: Queue }) => {
  const [act, setAct] = useState<QueueAct>();
  const offered: QueueAct[] = queue.paused || queue.draining ? ["resume"] : ["pause", "drain"];
  const confirm = async (reason: string) => {
    await send("POST", `queues/${queue.id}/${act}`, { reason });
    reloadAll();
  };
  return (
    <>
      <Menu.Root onSelect={({ value }) => setAct(value as QueueAct)}>
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
            </Menu.Content>
          </Menu.Positioner>
        </Portal>
      </Menu.Root>
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
