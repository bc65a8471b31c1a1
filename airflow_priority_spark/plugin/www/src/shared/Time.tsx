// SPDX-License-Identifier: Apache-2.0
// An instant as a distance or as a date, whichever the reader prefers; the other one is its tooltip.
import { Button, chakra } from "@chakra-ui/react";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { absolute, relative } from "./format";

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

export const useNow = () => useContext(TimesContext).now;

export const Time = ({ at }: { at: string | null }) => {
  const { now, dates } = useContext(TimesContext);
  if (at === null) return <>–</>;
  const [shown, other] = dates ? [absolute(at), relative(at, now)] : [relative(at, now), absolute(at)];
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
