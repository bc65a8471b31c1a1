// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";

const BUNDLE = "dist/main.js";

describe("the built bundle", () => {
  it("is smaller than 250 KB", () => expect(statSync(BUNDLE).size).toBeLessThan(250_000));

  it("carries no copy of what the host has, and asks no other server", () => {
    const text = readFileSync(BUNDLE, "utf8");
    expect(text).toMatch(/\(ReactJSXRuntime,/);
    expect(text).not.toContain("react.transitional.element");
    expect(text.match(/https?:\/\/[^"'`]*/g) ?? []).toEqual([]);
  });
});
