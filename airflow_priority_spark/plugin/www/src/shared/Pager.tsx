// SPDX-License-Identifier: Apache-2.0
import { Button, Flex, HStack, Text } from "@chakra-ui/react";
import { Choice } from "./Choice";
import { count } from "./format";
import { PAGE_SIZES, type UrlState } from "./urlState";

interface PagerProps {
  state: UrlState;
  shown: number;
  total: number | null;
  next: string | null;
}

/** Cursors lead forward; back leads through the cursors that were passed, or to the first page. */
export const Pager = ({ state, shown, total, next }: PagerProps) => {
  const { after, before, limit, change } = state;
  const first = before.length * Number(limit) + 1;
  const known = after === "" || before.length > 0;
  const rows = shown === 0 ? "No rows" : known ? `${first}–${first + shown - 1}` : count(shown, "row");
  return (
    <Flex alignItems="end" as="nav" aria-label="Pages" flexWrap="wrap" gap={3} justifyContent="space-between" mt={2}>
      <Text color="fg.muted" fontSize="sm">
        {rows}
        {state.folded ? "; " : " of "}
        {total === null ? "more than 10,000 jobs" : count(total, "job")}
        {state.folded ? " in all" : ""}
      </Text>
      <HStack alignItems="end" gap={2}>
        <Choice label="Rows" onChange={(value) => change({ limit: value })} options={PAGE_SIZES} value={limit} width="20" />
        <Button disabled={after === ""} onClick={() => change({ after: "" })} size="sm" variant="outline">
          First
        </Button>
        <Button
          disabled={before.length === 0} onClick={() => change({ after: before.at(-1) ?? "" }, before.slice(0, -1))} size="sm"
          variant="outline"
        >
          Previous
        </Button>
        <Button
          disabled={next === null} onClick={() => change({ after: next ?? "" }, known ? [...before, after] : before)} size="sm"
          variant="outline"
        >
          Next
        </Button>
      </HStack>
    </Flex>
  );
};
