// SPDX-License-Identifier: Apache-2.0
// An instant as a distance or as a date, whichever the reader prefers; the other one is its tooltip.
import { Button, chakra, Text } from "@chakra-ui/react";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { absolute, relative, timeZone } from "./format";

const STORED = "priority-spark.absolute-times";

interface Times {
  now: number;
  dates: boolean;
  toggle: () => void;
}

const TimesContext = createContext<Times>({ now: Date.now(), dates: false, toggle: () => undefined });

const stored = () => {
  try {
    return localStorage.getItem(STORED) === "true";
  } catch {
    return false;
  }
};

/** One clock for the page: distances grow without asking the server. */
export const TimesProvider = ({ children }: { children: ReactNode }) => {
  const [now, setNow] = useState(Date.now);
  const [dates, setDates] = useState(stored);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 5000);
    return () => window.clearInterval(timer);
  }, []);
  const value = useMemo(() => {
    const toggle = () => {
      localStorage.setItem(STORED, String(!dates));
      setDates(!dates);
    };
    return { now, dates, toggle };
  }, [now, dates]);
  return <TimesContext.Provider value={value}>{children}</TimesContext.Provider>;
};

/** Airflow's own menu tells this page of a choice by the second of these, other windows by the first. */
const STORAGE_EVENTS = ["storage", "local-storage"];

const onZone = (listener: () => void) => {
  STORAGE_EVENTS.forEach((name) => window.addEventListener(name, listener));
  return () => STORAGE_EVENTS.forEach((name) => window.removeEventListener(name, listener));
};

/** The zone that the reader chose in Airflow. */
export const useZone = (): string => useSyncExternalStore(onZone, timeZone);

export const ZoneNote = ({ zone }: { zone: string }) => (
  <Text color="fg.muted" fontSize="sm" title="Another one is chosen in Airflow's own menu of the user">Times in {zone}</Text>
);

export const useNow = () => useContext(TimesContext).now;

export const Time = ({ at }: { at: string | null }) => {
  const { now, dates } = useContext(TimesContext);
  const zone = useZone();
  if (at === null) return <>–</>;
  const date = absolute(at, zone);
  const [shown, other] = dates ? [date, relative(at, now)] : [relative(at, now), `${date} ${zone}`];
  return (
    <chakra.time dateTime={at} title={other} whiteSpace="nowrap">
      {shown}
    </chakra.time>
  );
};

export const TimesToggle = () => {
  const { dates, toggle } = useContext(TimesContext);
  return (
    <Button aria-pressed={dates} onClick={toggle} size="sm" variant="outline">
      {dates ? "Relative times" : "Absolute times"}
    </Button>
  );
};
