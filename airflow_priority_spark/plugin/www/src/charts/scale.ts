// SPDX-License-Identifier: Apache-2.0
// Where numbers and instants lie on an axis, and which of them it names.
import { absolute } from "../shared/format";

/** Up to `most` round numbers from 0 to at least `highest`. */
export const ticks = (highest: number, most = 4): number[] => {
  if (highest <= 0) return [0, 1];
  const raw = highest / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw) ?? raw;
  const count = Math.ceil(highest / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
};

const DAY_MS = 86_400_000;

/** `14:00` within two days, `11-21` beyond. */
export const axisLabel = (instant: string, spanMs: number): string => {
  const text = absolute(instant);
  return spanMs <= 2 * DAY_MS ? text.slice(11, 16) : text.slice(5, 10);
};

/** Sub-paths of a line; a missing value interrupts it. */
export const path = (values: (number | null)[], x: (index: number) => number, y: (value: number) => number): string => {
  let drawing = false;
  return values
    .map((value, index) => {
      if (value === null) {
        drawing = false;
        return "";
      }
      const step = `${drawing ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
      drawing = true;
      return step;
    })
    .join("");
};
