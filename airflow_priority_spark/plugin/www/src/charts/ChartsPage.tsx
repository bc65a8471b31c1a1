// SPDX-License-Identifier: Apache-2.0
import type { Queue } from "../api/types";
import type { UrlState } from "../shared/urlState";
export const ChartsPage = ({ queues }: { queues: Queue[]; state: UrlState }) => <>{queues.length}</>;
