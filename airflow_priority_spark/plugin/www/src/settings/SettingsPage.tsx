// SPDX-License-Identifier: Apache-2.0
import type { Queue } from "../api/types";
export const SettingsPage = ({ queues }: { queues: Queue[] }) => <>{queues.length}</>;
