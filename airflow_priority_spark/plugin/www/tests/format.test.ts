// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { absolute, amount, amounts, duration, quantity, relative, toInstant, toLocal } from "../src/shared/format";

const GIB = 1024 ** 3;

describe("amounts are written as people say them", () => {
  it.each([
    ["cpu", 1500, "1.5 CPU"],
    ["requests.cpu", 64000, "64 CPU"],
    ["memory", 96 * GIB, "96 GiB"],
    ["requests.memory", 1.5 * GIB, "1.5 GiB"],
    ["ephemeral-storage", 512 * 1024 ** 2, "512 MiB"],
    ["persistentvolumeclaims", 12, "12"],
    ["pods", 3, "3"],
    ["requests.nvidia.com/gpu", 8, "8"],
  ])("%s %d is %s", (resource, value, words) => expect(amount(resource, value)).toBe(words));

  it("names cpu and memory first and leaves out nothing asked for", () =>
    expect(amounts({ pods: 4, memory: 2 * GIB, cpu: 500, "nvidia.com/gpu": 0 })).toBe("0.5 CPU, 2 GiB memory, 4 pods"));
});

describe("durations have two units at most", () => {
  it.each([
    [0, "0 s"], [59.9, "59 s"], [2460, "41 min"], [7500, "2 h 5 min"], [7201, "2 h"], [125, "2 min 5 s"], [2476, "41 min"], [273_600, "3 d 4 h"], [-5, "0 s"],
  ])("%d s is %s", (seconds, words) => expect(duration(seconds)).toBe(words));
});

describe("instants", () => {
  const noon = "2026-01-01T12:00:00Z";
  it("are a distance to now", () => {
    expect(relative(noon, Date.parse("2026-01-01T12:41:00Z"))).toBe("41 min ago");
    expect(relative(noon, Date.parse("2026-01-01T11:59:00Z"))).toBe("in 1 min");
    expect(relative(noon, Date.parse("2026-01-01T11:59:57Z"))).toBe("now");
  });
  it("are dates in the reader's zone", () => {
    expect(absolute(noon, "UTC")).toBe("2026-01-01 12:00:00");
    expect(absolute(noon, "Asia/Tokyo")).toBe("2026-01-01 21:00:00");
  });
  it.each([
    ["2026-11-21T08:30", "UTC", "2026-11-21T08:30:00.000Z"],
    ["2026-11-21T08:30", "Asia/Kolkata", "2026-11-21T03:00:00.000Z"],
    ["2026-03-29T03:30", "Europe/Berlin", "2026-03-29T01:30:00.000Z"],
    ["2026-10-25T01:30", "Europe/Berlin", "2026-10-24T23:30:00.000Z"],
    ["2026-10-25T03:30", "Europe/Berlin", "2026-10-25T02:30:00.000Z"],
  ])("%s typed in %s is %s, and back", (local, zone, instant) => {
    expect(toInstant(local, zone)).toBe(instant);
    expect(toLocal(instant, zone)).toBe(local);
  });
  it("that are none are left out", () => {
    expect(toInstant("", "UTC")).toBe("");
    expect(toLocal("yesterday", "UTC")).toBe("");
    expect(toLocal(undefined, "UTC")).toBe("");
  });
});

describe("quantities lose nothing", () => {
  it.each([
    ["cpu", 1500, "1500m"], ["cpu", 2000, "2"], ["memory", 96 * GIB, "96Gi"], ["memory", 896 * 1024 ** 2, "896Mi"],
    ["memory", 1_000_001, "1000001"], ["memory", 0, "0"], ["nvidia.com/gpu", 1024, "1024"],
  ])("%s %d is %s", (resource, value, text) => expect(quantity(resource, value)).toBe(text));
});
