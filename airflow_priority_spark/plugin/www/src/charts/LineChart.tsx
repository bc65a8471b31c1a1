// SPDX-License-Identifier: Apache-2.0
// Lines over time, drawn in SVG with the host's colours. Values under the pointer are written into the legend.
import { Box, chakra, Flex, Heading, Text } from "@chakra-ui/react";
import { type PointerEvent, useState } from "react";
import { absolute } from "../shared/format";
import { alone, axisLabel, path, ticks } from "./scale";

export interface Series {
  name: string;
  values: (number | null)[];
}

interface LineChartProps {
  title: string;
  at: string[];
  series: Series[];
  format: (value: number) => string;
  /** The values are seconds. */
  seconds?: boolean;
}

const WIDTH = 640;
const HEIGHT = 220;
const LEFT = 64;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 24;
const COLORS = ["blue", "orange", "teal", "pink", "purple", "green", "red", "amber", "cyan", "slate"];
const LABELS = 6;
/** As a style: the host's style sheet overrides attributes. */
const TEXT = { fontSize: 10 };

const colorOf = (index: number) => `${COLORS[index % COLORS.length]}.500`;
const lastOf = (values: (number | null)[]) => values.findLast((value) => value !== null) ?? null;

const Legend = ({ series, index, format }: { series: Series[]; index: number | undefined; format: LineChartProps["format"] }) => (
  <Flex as="ul" columnGap={4} flexWrap="wrap" fontSize="xs" listStyleType="none" m={0} p={0}>
    {series.map(({ name, values }, number) => {
      const value = index === undefined ? lastOf(values) : (values[index] ?? null);
      return (
        <Flex alignItems="center" as="li" gap={1} key={name}>
          <Box aria-hidden="true" bg={colorOf(number)} borderRadius="full" boxSize={2} />
          {name}: <Text as="span" fontWeight="semibold">{value === null ? "–" : format(value)}</Text>
        </Flex>
      );
    })}
  </Flex>
);

export const LineChart = ({ title, at, series, format, seconds }: LineChartProps) => {
  const [index, setIndex] = useState<number>();
  const marks = ticks(Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0))), seconds);
  const top = marks.at(-1) ?? 1;
  const x = (step: number) => LEFT + (step * (WIDTH - LEFT - RIGHT)) / Math.max(1, at.length - 1);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const span = at.length < 2 ? 0 : Date.parse(at.at(-1) ?? "") - Date.parse(at[0] ?? "");
  const every = Math.max(1, Math.ceil(at.length / LABELS));
  const point = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const part = (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT);
    setIndex(Math.min(at.length - 1, Math.max(0, Math.round(part * (at.length - 1)))));
  };
  const summary = series.map(({ name, values }) => `${name} ${format(lastOf(values) ?? 0)}`).join(", ");
  return (
    <Box borderColor="border.emphasized" borderRadius={8} borderWidth={1} p={3}>
      <Flex justifyContent="space-between">
        <Heading size="sm">{title}</Heading>
        <Text color="fg.muted" fontSize="xs">{index === undefined ? "last values" : absolute(at[index] ?? "")}</Text>
      </Flex>
      <chakra.svg
        aria-label={`${title}; last values: ${summary || "none"}`} color="fg.muted" display="block" onPointerLeave={() => setIndex(undefined)}
        onPointerMove={point} role="img" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width="100%"
      >
        {marks.map((mark) => (
          <g key={mark}>
            <chakra.line stroke="border" x1={LEFT} x2={WIDTH - RIGHT} y1={y(mark)} y2={y(mark)} />
            <text fill="currentColor" style={TEXT} textAnchor="end" x={LEFT - 6} y={y(mark) + 3}>{format(mark)}</text>
          </g>
        ))}
        {at.map((instant, step) =>
          step % every === 0 ? (
            <text fill="currentColor" key={instant} style={TEXT} textAnchor="middle" x={x(step)} y={HEIGHT - 8}>
              {axisLabel(instant, span)}
            </text>
          ) : undefined,
        )}
        {series.map(({ name, values }, number) => (
          <chakra.g fill={colorOf(number)} key={name} stroke={colorOf(number)}>
            <path d={path(values, x, y)} fill="none" strokeWidth={1.5} />
            {alone(values).map((step) => <circle cx={x(step)} cy={y(values[step] ?? 0)} key={step} r={1.5} />)}
          </chakra.g>
        ))}
        {index === undefined ? undefined : (
          <chakra.line stroke="fg.muted" strokeDasharray="2 2" x1={x(index)} x2={x(index)} y1={TOP} y2={HEIGHT - BOTTOM} />
        )}
      </chakra.svg>
      <Legend format={format} index={index} series={series} />
    </Box>
  );
};
