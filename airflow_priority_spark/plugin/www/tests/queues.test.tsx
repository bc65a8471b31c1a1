// SPDX-License-Identifier: Apache-2.0
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import { queue, serve, show } from "./fake";

describe("the card of a queue", () => {
  it("shows usage, pools, heads and how long the oldest waits", async () => {
    serve();
    show();
    const card = await screen.findByRole("region", { name: "Queue team-a on spark-prod" });
    expect(card).toHaveProperty("textContent", expect.stringContaining("oldest wait 41 min"));
    expect(within(card).getByText("80 GiB used, 88 GiB granted, 40 GiB free of 128 GiB")).toBeTruthy();
    expect(within(card).getByText("requests.memory (blocking)")).toBeTruthy();
    expect(within(card).getByText(/memory: needs 96 GiB, 40 GiB free of quota team-a/)).toBeTruthy();
    expect(within(card).getByText("protecting")).toBeTruthy();
    expect(within(card).getAllByText("late")).toHaveLength(2);
  });

  it("leads to the waiting list of a pool", async () => {
    serve();
    const { router } = show();
    await userEvent.click(await screen.findByRole("link", { name: "Waiting jobs of team-a/high" }));
    expect(new URLSearchParams(router.state.location.search).get("pool")).toBe("high");
  });

  it("is paused with a reason after a confirmation", async () => {
    const sent = serve({ "queues/1/pause": {} });
    show();
    await userEvent.click(await screen.findByRole("button", { name: "Actions on queue team-a" }));
    await userEvent.click(await screen.findByRole("menuitem", { name: "pause" }));
    const dialog = await screen.findByRole("alertdialog");
    expect(within(dialog).getByRole("button", { name: "Pause" })).toHaveProperty("disabled", true);
    await userEvent.type(within(dialog).getByRole("textbox"), "upgrade");
    await userEvent.click(within(dialog).getByRole("button", { name: "Pause" }));
    await waitFor(() => expect(sent.find(({ method }) => method === "POST")).toMatchObject({
      path: "queues/1/pause", body: { reason: "upgrade" },
    }));
  });

  it("offers nothing to who may not edit queues", async () => {
    serve({ me: { user: "eve", can_act: false, can_edit_queues: false } });
    show();
    await screen.findByRole("region", { name: /Queue team-a/ });
    expect(screen.queryByRole("button", { name: /Actions on queue/ })).toBeNull();
  });
});

describe("instead of cards", () => {
  it("says that there is no queue yet", async () => {
    serve({ queues: { queues: [], hidden_jobs: 0, taken_at: null } });
    show();
    expect(await screen.findByText("No queue yet")).toBeTruthy();
  });

  it("says what the server refused", async () => {
    serve({ queues: { status: 403, problem: { title: "Forbidden", detail: "you may not read any DAG" } } });
    show();
    expect(await screen.findByText("The queues cannot be shown: Forbidden")).toBeTruthy();
    expect(screen.getByText(/you may not read any DAG/)).toBeTruthy();
  });

  it("counts what is hidden", async () => {
    serve({ queues: { queues: [queue()], hidden_jobs: 12, taken_at: null } });
    show();
    expect(await screen.findByText(/12 waiting or active jobs of DAGs that you may not read/)).toBeTruthy();
  });

  it("warns when no arbiter leads", async () => {
    serve({ arbiter: { leader: null, alive: false, last_cycle_at: null, idle_seconds: null, banner: "no arbiter leads" } });
    show();
    expect(await screen.findByText("No arbiter leads")).toBeTruthy();
  });
});
