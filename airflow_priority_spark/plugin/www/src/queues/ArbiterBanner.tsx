// SPDX-License-Identifier: Apache-2.0
import { Alert } from "@chakra-ui/react";
import type { Arbiter } from "../api/types";
import { useData } from "../api/useData";

const isAdvice: Record<string, string> = {
  "no arbiter leads": "Nothing is admitted until one does. See `airflow priority-spark status`; “Send to legacy” works without.",
};

/** Says on top of every page that nobody admits, or that decisions are made from an old picture. */
export const ArbiterBanner = () => {
  const { data } = useData<Arbiter>("arbiter");
  if (!data?.banner) return undefined;
  return (
    <Alert.Root role="alert" status={data.alive ? "warning" : "error"}>
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>{data.banner[0]?.toUpperCase() + data.banner.slice(1)}</Alert.Title>
        {isAdvice[data.banner] === undefined ? undefined : <Alert.Description>{isAdvice[data.banner]}</Alert.Description>}
      </Alert.Content>
    </Alert.Root>
  );
};
