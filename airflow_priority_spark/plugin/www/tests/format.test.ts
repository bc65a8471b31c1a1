// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { absolute, amount, amounts, duration, relative } from "../src/shared/format";

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
  });
  it("are dates in the reader's zone", () => {
    expect(absolute(noon, "UTC")).toBe("2026-01-01 12:00:00");
    expect(absolute(noon, "Asia/Tokyo")).toBe("2026-01-01 21:00:00");
  });
});
