// SPDX-License-Identifier: Apache-2.0
// Where numbers and instants lie on an axis, and which of them it names.
import { absolute } from "../shared/format";

/** Steps in which people count time. */
const SECONDS = [1, 5, 15, 60, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400];

const MOST = 4;

const decimalStep = (least: number) => {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? least;
};

/** A few round numbers from 0 to at least `highest`; of seconds, such as make whole minutes and hours. */
export const ticks = (highest: number, seconds = false): number[] => {
  if (highest <= 0) return [0, 1];
  const least = highest / MOST;
  const step = (seconds ? SECONDS.find((candidate) => candidate >= least) : undefined) ?? decimalStep(least);
  const count = Math.ceil(highest / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
};

const DAY_MS = 86_400_000;

/** `14:00` within two days, `11-21` beyond. */
export const axisLabel = (instant: string, spanMs: number): string => {
  const text = absolute(instant);
  return spanMs <= 2 * DAY_MS ? text.slice(11, 16) : text.slice(5, 10);
};

/** Values without a neighbour, which a line alone would not show. */
export const alone = (values: (number | null)[]): number[] =>
  values.flatMap((value, index) =>
    value !== null && (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null ? [index] : [],
  );

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
