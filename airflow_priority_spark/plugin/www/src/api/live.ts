// SPDX-License-Identifier: Apache-2.0
// Tells views that something has changed: one event stream for all of them, polling while there is none.
//
// A hidden page holds no connection, since browsers open few to one server; it asks again when it is seen.
import { useEffect, useSyncExternalStore } from "react";
import { apiUrl } from "./client";

export type Connection = "live" | "polling";

/** Changes come in bursts (a cycle admits twenty jobs): one reload for each burst. */
const GATHER_MS = 1000;
const POLL_MS = 10_000;
/** With a stream, relative times and ages are refreshed this often all the same. */
const REFRESH_MS = 60_000;
const RECONNECT_MS = 15_000;

const listeners = new Set<() => void>();
const watchers = new Set<() => void>();
let connection: Connection = "polling";
let stream: EventSource | undefined;
let gathered: number | undefined;
let ticking: number | undefined;
let retry: number | undefined;

const tell = () => listeners.forEach((listener) => listener());

const gather = () => {
  gathered ??= window.setTimeout(() => {
    gathered = undefined;
    tell();
  }, GATHER_MS);
};

const setConnection = (now: Connection) => {
  connection = now;
  window.clearInterval(ticking);
  ticking = window.setInterval(tell, now === "live" ? REFRESH_MS : POLL_MS);
  watchers.forEach((watcher) => watcher());
};

const close = () => {
  stream?.close();
  stream = undefined;
  window.clearTimeout(retry);
};

const open = () => {
  close();
  setConnection("polling");
  if (typeof EventSource === "undefined") return;
  const opened = new EventSource(apiUrl("stream"), { withCredentials: true });
  stream = opened;
  opened.onopen = () => setConnection("live");
  opened.addEventListener("change", gather);
  opened.onerror = () => {
    setConnection("polling");
    // The browser reconnects by itself after a break, but never after a refusal.
    if (opened.readyState === EventSource.CLOSED) retry = window.setTimeout(open, RECONNECT_MS);
  };
};

const onVisibility = () => {
  if (document.hidden) {
    close();
    window.clearInterval(ticking);
  } else {
    open();
    tell();
  }
};

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  if (listeners.size === 1) {
    document.addEventListener("visibilitychange", onVisibility);
    open();
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    document.removeEventListener("visibilitychange", onVisibility);
    close();
    window.clearInterval(ticking);
    window.clearTimeout(gathered);
    gathered = undefined;
  };
};

/** Call back on every change, gathered; and at least each minute. */
export const useChanges = (listener: () => void) => useEffect(() => subscribe(listener), [listener]);

const watch = (watcher: () => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

export const useConnection = (): Connection => useSyncExternalStore(watch, () => connection);

/** After an act of one's own there is no reason to wait for the stream. */
export const reloadAll = tell;
