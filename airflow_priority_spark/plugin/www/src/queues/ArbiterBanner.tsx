// SPDX-License-Identifier: Apache-2.0
import { Alert } from "@chakra-ui/react";
import type { Arbiter } from "../api/types";
import { useData } from "../api/useData";

const ADVICE = "“airflow priority-spark status” tells more. “Send to legacy” works without an arbiter.";

/** Says on top of every page that nobody admits, or that decisions are made from an old picture. */
export const ArbiterBanner = () => {
  const { data } = useData<Arbiter>("arbiter");
  if (!data?.banner) return undefined;
  return (
    <Alert.Root role="alert" status={data.alive ? "warning" : "error"}>
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>{data.banner[0]?.toUpperCase() + data.banner.slice(1)}</Alert.Title>
        {data.alive ? undefined : <Alert.Description>{ADVICE}</Alert.Description>}
      </Alert.Content>
    </Alert.Root>
  );
};
