// SPDX-License-Identifier: Apache-2.0
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import { job, type Sent, serve, show } from "./fake";

const lists = (sent: Sent[]) => sent.filter(({ path, method }) => path === "jobs" && method === "GET");
const last = (sent: Sent[]) => lists(sent).at(-1)?.query;
const page = (...jobs: ReturnType<typeof job>[]) => ({ jobs, next: null, hidden: 0, total: jobs.length });

describe("the waiting list", () => {
  it("asks the server for what the address says", async () => {
    const sent = serve();
    show("/plugin/spark-queues?namespace=team-a&search=sales&sort=-queued_at&limit=50&after=abc");
    await screen.findByRole("table", { name: "Jobs: waiting" });
    expect(Object.fromEntries(last(sent) ?? [])).toEqual({
      namespace: "team-a", search: "sales", state: "held", sort: "-queued_at", limit: "50", after: "abc", group: "mapped",
    });
    expect(last(sent)?.getAll("state")).toEqual(["queued", "held"]);
  });

  it("shows position, wait, demand and the blocking resource in words and numbers", async () => {
    serve();
    show();
    const row = within(await screen.findByRole("table", { name: "Jobs: waiting" })).getAllByRole("row")[1];
    for (const text of ["3", "41 min", "7 CPU, 96 GiB memory, 4 pods", "memory"]) {
      expect(within(row!).getByText(text)).toBeTruthy();
    }
    expect(row!.textContent).toContain("memory: needs 96 GiB, 40 GiB free of quota team-a");
  });

  it("folds a mapped task into one row", async () => {
    serve({ jobs: page(job({ map_index: 0, task_id: "load", mapped: { count: 40, states: { queued: 40 } } })) });
    show();
    expect(await screen.findByText("load (40 mapped)")).toBeTruthy();
  });

  it("sorts on the server, up and down", async () => {
    const sent = serve();
    show();
    await userEvent.click(await screen.findByRole("button", { name: "Pool" }));
    await waitFor(() => expect(last(sent)?.get("sort")).toBe("pool"));
    await userEvent.click(screen.getByRole("button", { name: "Pool" }));
    await waitFor(() => expect(last(sent)?.get("sort")).toBe("-pool"));
    expect(screen.getByRole("columnheader", { name: "Pool" }).getAttribute("aria-sort")).toBe("descending");
  });

  it("goes forward and back through pages", async () => {
    const sent = serve({ jobs: { jobs: [job()], next: "two", hidden: 0, total: 60 } });
    show();
    await userEvent.click(await screen.findByRole("button", { name: "Next" }));
    await waitFor(() => expect(last(sent)?.get("after")).toBe("two"));
    expect(await screen.findByText("26–26; 60 jobs in all")).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Previous" }));
    await waitFor(() => expect(last(sent)?.get("after")).toBeNull());
  });

  it("searches when typing pauses and keeps the text in the address", async () => {
    const sent = serve();
    const { router } = show();
    await userEvent.click(await screen.findByRole("textbox", { name: "Search" }));
    // In one go: a busy machine pauses between letters.
    await userEvent.paste("sales");
    await waitFor(() => expect(last(sent)?.get("search")).toBe("sales"));
    expect(router.state.location.search).toContain("search=sales");
    expect(lists(sent).filter(({ query }) => query.get("search") !== null)).toHaveLength(1);
  });

  it("says when nothing matches", async () => {
    serve({ jobs: page() });
    show("/plugin/spark-queues?search=nothing");
    expect(await screen.findByText("No job matches the filters")).toBeTruthy();
  });
});

describe("acts on jobs", () => {
  it("offers only what the job allows", async () => {
    serve({ jobs: page(job({ actions: ["release"] })) });
    show();
    await userEvent.click(await screen.findByRole("button", { name: "Actions on sales_daily aggregate" }));
    expect((await screen.findAllByRole("menuitem")).map(({ textContent }) => textContent)).toEqual(["Release"]);
  });

  it("offers nothing to a viewer", async () => {
    serve({ me: { user: "eve", can_act: false, can_edit_queues: false }, jobs: page(job({ actions: [] })) });
    show();
    await screen.findByRole("table", { name: "Jobs: waiting" });
    expect(screen.queryByRole("checkbox")).toBeNull();
    expect(screen.queryByRole("button", { name: /Actions on/ })).toBeNull();
  });

  it("moves several jobs to another pool with a reason", async () => {
    const answer = { changed: 1, refused: [{ id: "job-2", detail: "it has been admitted meanwhile" }], refused_count: 1 };
    const sent = serve({ jobs: page(job(), job({ id: "job-2", task_id: "load" })), "jobs/bulk": answer });
    show();
    await userEvent.click(await screen.findByRole("checkbox", { name: "Select all jobs of this page" }));
    const bar = await screen.findByRole("toolbar", { name: "Acts on the selected jobs" });
    await userEvent.click(within(bar).getByRole("button", { name: "Change pool" }));
    const dialog = await screen.findByRole("alertdialog");
    await userEvent.type(within(dialog).getByRole("textbox"), "month end");
    const confirm = within(dialog).getByRole("button", { name: "Change pool (2)" });
    expect(confirm).toHaveProperty("disabled", true);
    await userEvent.selectOptions(within(dialog).getByRole("combobox"), "high");
    await userEvent.click(confirm);
    expect(await screen.findByText("1 job changed, 1 refused")).toBeTruthy();
    expect(screen.getByText("job-2: it has been admitted meanwhile")).toBeTruthy();
    expect(sent.find(({ path }) => path === "jobs/bulk")?.body).toEqual({
      action: "pool", ids: ["job-1", "job-2"], pool: "high", reason: "month end",
    });
  });

  it("acts on every job that a folded row stands for", async () => {
    const folded = job({ map_index: 0, task_id: "load", mapped: { count: 2, states: { queued: 2 } } });
    const sent = serve({
      jobs: ({ query }) =>
        query.get("group") === "mapped" ? page(folded)
        : page(job({ id: "m0", task_id: "load", map_index: 0 }), job({ id: "m1", task_id: "load", map_index: 1 }), job({ id: "other", task_id: "reload" })),
      "jobs/bulk": { changed: 2, refused: [], refused_count: 0 },
    });
    show();
    await userEvent.click(await screen.findByRole("button", { name: "Actions on sales_daily load (2 mapped)" }));
    await userEvent.click(await screen.findByRole("menuitem", { name: "Hold" }));
    const dialog = await screen.findByRole("alertdialog");
    await userEvent.type(within(dialog).getByRole("textbox"), "later");
    await userEvent.click(within(dialog).getByRole("button", { name: "Hold" }));
    await waitFor(() => expect(sent.find(({ path }) => path === "jobs/bulk")?.body).toEqual({
      action: "hold", ids: ["m0", "m1"], reason: "later",
    }));
  });

  it("keeps the dialog open and says why when the server refuses", async () => {
    serve({ "jobs/job-1/hold": { status: 409, problem: { title: "Conflict", detail: "the job has ended" } } });
    show();
    await userEvent.click(await screen.findByRole("button", { name: "Actions on sales_daily aggregate" }));
    await userEvent.click(await screen.findByRole("menuitem", { name: "Hold" }));
    const dialog = await screen.findByRole("alertdialog");
    await userEvent.type(within(dialog).getByRole("textbox"), "wait");
    await userEvent.click(within(dialog).getByRole("button", { name: "Hold" }));
    expect(await within(dialog).findByText(/the job has ended/)).toBeTruthy();
  });
});
