// SPDX-License-Identifier: Apache-2.0
// Reads one address and reads it again when something changes. While a new answer is on its way the old one stays.
import { useCallback, useEffect, useRef, useState } from "react";
import { apiUrl, type Params, Problem, read } from "./client";
import { useChanges } from "./live";

export interface Data<T> {
  data: T | undefined;
  error: Problem | undefined;
  /** The answer on show belongs to another address than the one asked for now, or there is none yet. */
  loading: boolean;
}

interface Answer<T> {
  url: string | null;
  data?: T;
  error?: Problem;
}

/** @param path null: nothing to read now. */
export const useData = <T>(path: string | null, params: Params = {}): Data<T> => {
  const url = path === null ? null : apiUrl(path, params);
  const [answer, setAnswer] = useState<Answer<T>>({ url: null });
  const underWay = useRef<AbortController | undefined>(undefined);

  const load = useCallback(() => {
    if (url === null) return;
    underWay.current?.abort();
    const controller = new AbortController();
    underWay.current = controller;
    read<T>(url, controller.signal)
      .then((data) => setAnswer({ url, data }))
      .catch((error: unknown) => {
        if (controller.signal.aborted) return;
        const problem = error instanceof Problem ? error : new Problem(0, "This answer cannot be read", String(error));
        setAnswer((before) => ({ url, data: before.url === url ? before.data : undefined, error: problem }));
      });
  }, [url]);

  useEffect(() => {
    load();
    return () => underWay.current?.abort();
  }, [load]);
  useChanges(load);

  if (url === null) return { data: undefined, error: undefined, loading: false };
  return { data: answer.data, error: answer.url === url ? answer.error : undefined, loading: answer.url !== url };
};
