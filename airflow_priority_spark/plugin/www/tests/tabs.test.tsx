// SPDX-License-Identifier: Apache-2.0
import axe from "axe-core";
import { act, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { detail, job, serve, show } from "./fake";
import { FakeStream } from "./setup";

const TASK = { dagId: "sales_daily", runId: "run-1", taskId: "aggregate" };

describe("the tab of a task instance", () => {
  it("says in one sentence where the job is, and tells its story", async () => {
    serve();
    show("/dags/x", TASK);
    const headline = await screen.findByTestId("headline");
    expect(headline.textContent).toBe("Waiting 41 min – memory: needs 96 GiB, 40 GiB free of quota team-a; 2 ahead");
    const events = within(screen.getByRole("list", { name: "Events" }));
    expect(events.getByText(/moved to high: month end/)).toBeTruthy();
    expect(events.getByText(/by bob/)).toBeTruthy();
    expect(screen.getByText(/1 driver of 1 CPU and 1 GiB/)).toBeTruthy();
  });

  it("says what an admitted job waits for in Airflow", async () => {
    serve({ "jobs/job-1": detail({ state: "admitted", waits_in_airflow: "a slot of pool etl (0 of 4 open)" }) });
    show("/dags/x", TASK);
    expect(await screen.findByText(/waits in Airflow for: a slot of pool etl/)).toBeTruthy();
  });

  it("says that a task without a job has none", async () => {
    serve({ "task-instances/sales_daily/run-1/aggregate/-1": { jobs: [] } });
    show("/dags/x", TASK);
    expect(await screen.findByText("No Spark job")).toBeTruthy();
  });
});

describe("the tabs of a run and of a DAG", () => {
  it("tell waiting from running", async () => {
    const sent = serve({
      jobs: { jobs: [job(), job({ id: "job-2", state: "running" })], next: null, hidden: 0, total: 2 },
    });
    show("/dags/x", { dagId: "sales_daily", runId: "run-1" });
    const table = within(await screen.findByRole("table", { name: "Spark jobs" }));
    expect(table.getByText("queued")).toBeTruthy();
    expect(table.getByText("running")).toBeTruthy();
    expect(sent.find(({ path }) => path === "jobs")?.query.get("run_id")).toBe("run-1");
  });
});

describe("changes appear by themselves", () => {
  const listings = (sent: { path: string }[]) => sent.filter(({ path }) => path === "jobs").length;

  it("a burst of events is one reload", async () => {
    const sent = serve();
    show();
    await screen.findByRole("table", { name: "Jobs: waiting" });
    const [stream] = FakeStream.opened;
    act(() => stream?.open());
    expect(await screen.findByText("Live")).toBeTruthy();
    const before = listings(sent);
    for (let event = 0; event < 20; event += 1) stream?.dispatchEvent(new Event("change"));
    await waitFor(() => expect(listings(sent)).toBe(before + 1));
  });

  it("without a stream the page polls", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    try {
      const sent = serve();
      show();
      await screen.findByRole("table", { name: "Jobs: waiting" });
      act(() => FakeStream.opened[0]?.break());
      expect(screen.getByText("Polling")).toBeTruthy();
      const before = listings(sent);
      await act(() => vi.advanceTimersByTimeAsync(10_500));
      expect(listings(sent)).toBe(before + 1);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("axe finds no violation", () => {
  it.each([
    ["/plugin/spark-queues", {}],
    ["/plugin/spark-queues?tab=history", {}],
    ["/dags/x", TASK],
  ])("at %s", async (address, props) => {
    serve();
    const { container } = show(address, props);
    await (address === "/dags/x" ? screen.findByTestId("headline") : screen.findByRole("table"));
    // Colours are the host's; the tests in a real browser look at them.
    const { violations } = await axe.run(container, { rules: { "color-contrast": { enabled: false }, region: { enabled: false } } });
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });
});
