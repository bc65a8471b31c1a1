// SPDX-License-Identifier: Apache-2.0
import { screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { History, QueueSettings } from "../src/api/types";
import { highest } from "../src/charts/ChartsPage";
import { byHourOfDay } from "../src/charts/HeatMapTable";
import { alone, path, ticks } from "../src/charts/scale";
import { written } from "../src/settings/SettingsPage";
import { serve, show } from "./fake";

describe("axes", () => {
  it.each([
    [7, [0, 2, 4, 6, 8]], [100, [0, 50, 100]], [0, [0, 1]], [0.3, [0, 0.1, 0.2, 0.3]],
  ])("up to %d have round marks", (most, marks) =>
    ticks(most).forEach((mark, index) => expect(mark).toBeCloseTo(marks[index] ?? NaN)));

  it("of durations are whole minutes", () => expect(ticks(2400, true)).toEqual([0, 600, 1200, 1800, 2400]));

  it("a value without neighbours is marked", () => expect(alone([1, null, 2, 3, null, 4])).toEqual([0, 5]));

  it("a missing value interrupts a line", () =>
    expect(path([1, null, 3, 4], (x) => x, (y) => y)).toBe("M0.0 1.0M2.0 3.0L3.0 4.0"));

  it("lines that never rise are left out, the highest come first", () =>
    expect(highest([{ name: "flat", values: [0, null] }, { name: "low", values: [1] }, { name: "high", values: [5] }]).map(({ name }) => name))
      .toEqual(["high", "low"]));
});

describe("the heat map", () => {
  it("adds the same hour of several days", () => {
    localStorage.setItem("timezone", '"UTC"');
    const cells = ["2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"].map((hour) => ({ hour, resource: "memory", job_seconds: 60 }));
    expect(byHourOfDay(cells).get("memory")?.get("03")).toBe(120);
  });
});

describe("the page of charts", () => {
  const history: History = {
    at: ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"], step_seconds: 3600,
    lines: [{ cluster: "c", namespace: "team-a", pool: "high", depth: [3, 7], admitted: [1, 1], average_wait_seconds: [60, 120], longest_wait_seconds: [60, 120] }],
    usage: [{ cluster: "c", namespace: "team-a", resource: "requests.memory", hard: [100, 200], used: [50, 50] }],
  };

  it("shows depth, wait and used part of quota, in words too", async () => {
    serve({ history, "history/heatmap": { cells: [] } });
    show("/plugin/spark-queues?tab=charts");
    expect(await screen.findByRole("img", { name: "Waiting jobs; last values: team-a/high 7" })).toBeTruthy();
    expect(screen.getByRole("img", { name: "Average wait of admitted jobs; last values: team-a/high 2 min" })).toBeTruthy();
    expect(screen.getByRole("img", { name: "Used part of quota; last values: team-a requests.memory 25 %" })).toBeTruthy();
    expect(await screen.findByText("Nothing was blocked in this time.")).toBeTruthy();
  });
});

describe("the page of settings", () => {
  const settings: QueueSettings["settings"] = {
    weight: { value: 3, source: "queue", since: "2026-01-01T00:00:00Z", by: "alice" },
    head_timeout_seconds: { value: 3600, source: "default" },
  };

  it("shows each value, where it comes from, since when and by whom", async () => {
    serve({ "queues/1": { settings, pool_settings: { high: { weight: { value: 90, source: "pool" } } } }, settings: { settings: [
      { ...settings.head_timeout_seconds, scope: "site", where: "", queue_id: null, key: "head_timeout_seconds", description: "How long." },
      { ...settings.weight, scope: "queue", where: "spark-prod/team-a", queue_id: 1, key: "weight", description: null },
    ] } });
    show("/plugin/spark-queues?tab=settings");
    const row = within(await screen.findByRole("table", { name: "Queue team-a on spark-prod" })).getAllByRole("row")[1];
    for (const text of ["weight", "3", "queue", "alice"]) expect(within(row!).getByText(text)).toBeTruthy();
    expect(await screen.findByRole("table", { name: "Priority pool high of team-a" })).toBeTruthy();
    const site = within(await screen.findByRole("table", { name: "Site" }));
    expect(site.getByText("How long.")).toBeTruthy();
    expect(site.queryByText("weight")).toBeNull();
  });

  it.each([[null, "–"], [[], "–"], [["a", "b"], "a, b"], [{ cpu: "8" }, "cpu: 8"], [false, "false"], [0, "0"]])(
    "writes %j as %s", (value, text) => expect(written(value)).toBe(text),
  );
});
