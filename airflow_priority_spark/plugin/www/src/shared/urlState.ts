// SPDX-License-Identifier: Apache-2.0
// What the view shows is in the address: it can be sent to a colleague, and the browser's back button works.
import { useCallback } from "react";
import { useLocation, useSearchParams } from "react-router-dom";

export const TABS = ["waiting", "admitted", "running", "history", "charts", "settings"] as const;
export type Tab = (typeof TABS)[number];

export const FILTERS = [
  "cluster", "namespace", "pool", "dag_id", "run_id", "user", "team", "blocking_resource", "end_reason",
  "queued_after", "queued_before", "search", "state",
] as const;
export type FilterName = (typeof FILTERS)[number];

export const PAGE_SIZES = ["25", "50", "100"] as const;

export interface UrlState {
  tab: Tab;
  filters: Partial<Record<FilterName, string>>;
  sort: string;
  limit: string;
  after: string;
  /** Cursors of the pages before, for going back; unknown to who came by a link. */
  before: readonly string[];
  /** One row for each mapped task. */
  folded: boolean;
  job: string;
  /** Change some; an empty value removes. A change of what is listed starts at its first page. */
  change: (values: Record<string, string>, before?: readonly string[]) => void;
}

const KEEPS_PAGE = new Set(["job", "after"]);

export const useUrlState = (defaultSort: (tab: Tab) => string): UrlState => {
  const [search, setSearch] = useSearchParams();
  const location = useLocation();
  const tab = TABS.find((name) => name === search.get("tab")) ?? "waiting";
  const state = (location.state ?? {}) as { before?: readonly string[] };

  const change = useCallback(
    (values: Record<string, string>, before?: readonly string[]) => {
      setSearch(
        (current) => {
          const next = new URLSearchParams(current);
          if (Object.keys(values).some((name) => !KEEPS_PAGE.has(name))) next.delete("after");
          for (const [name, value] of Object.entries(values)) {
            if (value === "") next.delete(name);
            else next.set(name, value);
          }
          return next;
        },
        { replace: "search" in values, state: { before: before ?? [] } },
      );
    },
    [setSearch],
  );

  return {
    tab,
    filters: Object.fromEntries(FILTERS.flatMap((name) => (search.get(name) ? [[name, search.get(name)]] : []))),
    sort: search.get("sort") ?? defaultSort(tab),
    limit: PAGE_SIZES.find((size) => size === search.get("limit")) ?? "25",
    after: search.get("after") ?? "",
    before: state.before ?? [],
    folded: search.get("mapped") !== "all",
    job: search.get("job") ?? "",
    change,
  };
};
