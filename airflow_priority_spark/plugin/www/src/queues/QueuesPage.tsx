// SPDX-License-Identifier: Apache-2.0
// The page in the navigation: cards of the queues, and below them what waits, is admitted, runs, has ended.
import { Box, Flex, Heading, HStack, Link, Spacer, Stack, Text } from "@chakra-ui/react";
import { Link as RouterLink, useLocation } from "react-router-dom";
import { useConnection } from "../api/live";
import type { Me, Queue, Queues } from "../api/types";
import { useData } from "../api/useData";
import { ChartsPage } from "../charts/ChartsPage";
import { JobDrawer } from "../jobs/JobDrawer";
import { DEFAULT_SORT, JobsView, type ListTab } from "../jobs/JobsView";
import { SettingsPage } from "../settings/SettingsPage";
import { LiveIcon } from "../shared/icons";
import { TimesToggle, useZone, ZoneNote } from "../shared/Time";
import { type Tab, TABS, useUrlState } from "../shared/urlState";
import { ArbiterBanner } from "./ArbiterBanner";
import { QueueCards } from "./QueueCards";

const isList = (tab: Tab): tab is ListTab => tab in DEFAULT_SORT;
const defaultSort = (tab: Tab) => (isList(tab) ? DEFAULT_SORT[tab] : "");

const counts = (queues: Queue[]): Partial<Record<Tab, number>> => {
  const sum = (of: (queue: Queue) => number) => queues.reduce((total, queue) => total + of(queue), 0);
  const running = sum((queue) => queue.running);
  return { waiting: sum((queue) => queue.length + queue.held), admitted: sum((queue) => queue.active) - running, running };
};

const TabLinks = ({ current, queues }: { current: Tab; queues: Queue[] | undefined }) => {
  const { pathname, search } = useLocation();
  const numbers = queues === undefined ? {} : counts(queues);
  const address = (tab: Tab) => {
    const next = new URLSearchParams(search);
    ["after", "sort", "job", "state"].forEach((name) => next.delete(name));
    next.set("tab", tab);
    return `${pathname}?${next.toString()}`;
  };
  return (
    <Flex aria-label="Lists of jobs" as="nav" borderBottomWidth={1} borderColor="border.emphasized" overflowX="auto">
      {TABS.map((tab) => (
        <Link
          aria-current={tab === current ? "page" : undefined} asChild borderBottomWidth={tab === current ? 3 : 0}
          borderColor="border.info" borderRadius={0} color={tab === current ? "fg" : "fg.muted"} fontWeight="bold"
          height="40px" key={tab} px={4} textDecoration="none" textTransform="capitalize" whiteSpace="nowrap"
        >
          <RouterLink to={address(tab)}>
            {tab}
            {numbers[tab] === undefined ? "" : ` (${numbers[tab].toLocaleString("en")})`}
          </RouterLink>
        </Link>
      ))}
    </Flex>
  );
};

const LiveMark = () => {
  const live = useConnection() === "live";
  return (
    <HStack color="fg.muted" fontSize="sm" gap={1} role="status" title={live ? "Changes appear by themselves" : "Asks every 10 seconds"}>
      <LiveIcon color={live ? "success.fg" : "warning.fg"} />
      <Text>{live ? "Live" : "Polling"}</Text>
    </HStack>
  );
};

export const QueuesPage = () => {
  const state = useUrlState(defaultSort);
  // All of the page is drawn again when another zone is chosen.
  const zone = useZone();
  const me = useData<Me>("me");
  const queues = useData<Queues>("queues");
  const known = queues.data?.queues ?? [];
  const { tab } = state;
  return (
    <Box p={4}>
      <Stack gap={3}>
        <Flex alignItems="center" gap={3}>
          <Heading as="h1" size="md">Spark queues</Heading>
          <Spacer />
          <LiveMark />
          <ZoneNote zone={zone} />
          <TimesToggle />
        </Flex>
        <ArbiterBanner />
        {isList(tab) && tab !== "history" ? (
          <QueueCards editable={me.data?.can_edit_queues ?? false} onOpenJob={(job) => state.change({ job })} queues={queues} />
        ) : undefined}
        <TabLinks current={tab} queues={queues.data?.queues} />
        {isList(tab) ? <JobsView canAct={me.data?.can_act ?? false} key={tab} queues={known} state={state} tab={tab} /> : undefined}
        {tab === "charts" ? <ChartsPage queues={known} state={state} /> : undefined}
        {tab === "settings" ? <SettingsPage editable={me.data?.can_edit_queues ?? false} queues={known} state={state} /> : undefined}
      </Stack>
      <JobDrawer id={state.job} onClose={() => state.change({ job: "" })} queues={known} />
    </Box>
  );
};
