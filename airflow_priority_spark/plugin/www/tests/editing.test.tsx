// SPDX-License-Identifier: Apache-2.0
// What people change in the page, and what of it reaches the server.
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import type { QueueSettings } from "../src/api/types";
import { demandFields, wantedDemand } from "../src/jobs/demand";
import { changesOf, inherited, ownTexts, QUEUE_FIELDS } from "../src/settings/fields";
import { detail, type Sent, serve, show } from "./fake";

const settings: QueueSettings = {
  settings: {
    weight: { value: 1, source: "queue" }, policy: { value: "weighted", source: "queue" },
    job_limit: { value: null, source: "queue" }, capacity: { value: { "requests.cpu": "40" }, source: "queue" },
    head_timeout_seconds: { value: 3600, source: "site" },
  },
  pool_settings: { high: { weight: { value: 90, source: "pool" } } },
};

const changed = (typed: Record<string, string>) => {
  const before = ownTexts(QUEUE_FIELDS, settings.settings, "queue");
  const found = changesOf(QUEUE_FIELDS, before, { ...before, ...typed });
  return Object.fromEntries(found.map(({ key, value }) => [key, value]));
};

const changes = (sent: Sent[]) => sent.filter(({ method }) => method !== "GET");

describe("what was typed into settings", () => {
  it("is empty where a value is inherited, and says what holds then", () => {
    const [timeout] = QUEUE_FIELDS.filter(({ key }) => key === "head_timeout_seconds");
    expect(ownTexts(QUEUE_FIELDS, settings.settings, "queue").head_timeout_seconds).toBe("");
    expect(inherited(timeout!, settings.settings, "queue")).toBe("3600 (site)");
  });

  it.each([
    [{}, {}],
    [{ weight: "3", head_timeout_seconds: "900" }, { weight: 3, head_timeout_seconds: 900 }],
    [{ weight: "many" }, { weight: "many" }],
    [{ capacity: "" }, { capacity: null }],
    [{ capacity: "requests.cpu: 40\nrequests.memory: 96Gi" }, { capacity: { "requests.cpu": "40", "requests.memory": "96Gi" } }],
    [{ capacity: "much" }, { capacity: "much" }],
    [{ policy: "strict" }, { policy: "strict" }],
  ])("%j sends %j", (typed, body) => expect(changed(typed)).toEqual(body));
});

describe("a demand in a form", () => {
  const fields = demandFields(detail().demand_detail);

  it("is written as in a manifest", () =>
    expect(Object.fromEntries(fields.map(({ label, text }) => [label, text]))).toEqual({
      "driver cpu": "1", "driver memory": "1Gi", "executor count": "3", "executor cpu": "2", "executor memory": "31Gi",
    }));

  it.each([
    [{ "executor count": "3" }, undefined],
    [{ "executor count": "2", "executor memory": " 16Gi " }, { executor: { count: 2, requests: { memory: "16Gi" } } }],
    [{ "driver cpu": "500m" }, { driver: { requests: { cpu: "500m" } } }],
    [{ "executor count": "few" }, { executor: { count: "few" } }],
  ])("%j sends %j", (typed, demand) => expect(wantedDemand(fields, typed as Record<string, string>)).toEqual(demand));

  it("goes to the server with its reason", async () => {
    const sent = serve();
    show();
    await userEvent.click(await screen.findByRole("button", { name: "Actions on sales_daily aggregate" }));
    await userEvent.click(await screen.findByRole("menuitem", { name: "Change demand" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    const count = dialog.getByLabelText("executor count");
    await userEvent.clear(count);
    await userEvent.type(count, "2");
    await userEvent.type(dialog.getByRole("textbox", { name: /Reason/ }), "smaller");
    await userEvent.click(dialog.getByRole("button", { name: "Change demand" }));
    await waitFor(() => expect(changes(sent).map(({ method, path, body }) => [method, path, body])).toEqual([
      ["PATCH", "jobs/job-1", { demand: { executor: { count: 2 } }, reason: "smaller" }],
    ]));
  });
});

describe("editing a pool", () => {
  it("names what changes, sends only that, and shows a refusal in words", async () => {
    const detail = "weight: 0 is not valid; allowed: greater than or equal to 1";
    const sent = serve({ "queues/1": settings, "queues/1/pools/high": { status: 422, problem: { title: "Unprocessable", detail } } });
    show();
    await userEvent.click(await screen.findByRole("button", { name: "Actions on queue team-a" }));
    await userEvent.click(await screen.findByRole("menuitem", { name: "Edit pool high…" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    const weight = dialog.getByLabelText("weight");
    await userEvent.clear(weight);
    await userEvent.type(weight, "0");
    expect(dialog.getByText("weight: 90 → 0")).toBeTruthy();
    expect(dialog.getByRole("button", { name: "Change settings" }).hasAttribute("disabled")).toBe(true);
    await userEvent.type(dialog.getByRole("textbox", { name: /Reason/ }), "fairer");
    await userEvent.click(dialog.getByRole("button", { name: "Change settings" }));
    expect(await dialog.findByText(detail)).toBeTruthy();
    expect(changes(sent).map(({ path, body }) => [path, body])).toEqual([["queues/1/pools/high", { weight: 0, reason: "fairer" }]]);
  });
});

describe("changing the flow of many jobs", () => {
  const answer = { override: true, moved: 2, stayed: [{ id: "job-9", detail: "it is running" }], stayed_count: 1 };

  it("tells first what would happen, then does it", async () => {
    const sent = serve({
      "queues/1": settings, settings: { settings: [] }, flows: { flows: [] },
      "flows/migrate": ({ body }) => ({ ...answer, dry_run: (body as { dry_run: boolean }).dry_run }),
    });
    show("/plugin/spark-queues?tab=settings");
    await userEvent.click(await screen.findByRole("button", { name: "Change flow…" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    await userEvent.type(dialog.getByLabelText("Its name"), "nightly");
    await userEvent.click(dialog.getByRole("button", { name: "Tell what would happen" }));
    expect(await dialog.findByText("Would move 2 waiting jobs; 1 stay; jobs to come follow.")).toBeTruthy();
    await userEvent.type(dialog.getByRole("textbox", { name: /Reason/ }), "board meeting");
    await userEvent.click(dialog.getByRole("button", { name: "Change flow" }));
    expect(await screen.findByText("Moved 2 waiting jobs; 1 stay; jobs to come follow.")).toBeTruthy();
    const target = { scope: "dag_id", value: "nightly", to: "legacy" };
    expect(changes(sent).map(({ body }) => body)).toEqual([
      { ...target, reason: "dry run", dry_run: true }, { ...target, reason: "board meeting", dry_run: false },
    ]);
  });

  it("is offered to administrators only", async () => {
    serve({ me: { user: "eve", can_act: true, can_edit_queues: false }, "queues/1": settings, settings: { settings: [] }, flows: { flows: [] } });
    show("/plugin/spark-queues?tab=settings");
    expect(await screen.findByRole("table", { name: "Priority pool high of team-a" })).toBeTruthy();
    for (const name of ["Change flow…", /^Edit:/]) expect(screen.queryByRole("button", { name })).toBeNull();
  });
});
