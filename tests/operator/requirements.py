# SPDX-License-Identifier: Apache-2.0
"""What the operator must do, as numbered sentences; the name of a test begins with its number."""

from __future__ import annotations

from typing import Final

REQUIREMENTS: Final[dict[int, str]] = {
    1: "A task is deferred before any application exists; it holds no worker slot while queued, "
    "submitted or Pending",
    2: "The demand follows Spark's precedence, units and version; an impossible spec fails at once, "
    "naming the field",
    3: "Driver and executors are separate, with their own constraints; each pod must fit a node",
    4: "Dynamic allocation reserves initial, min or max; an unbounded maximum needs a cap",
    5: "Admission reserves: admitted pods count before they exist, under quota scopes and object counts",
    6: "Driver and executors are admitted all or nothing",
    7: "A reservation is held until the pods are gone; orphans are reconciled",
    8: "Identity is on the application, under a deterministic name; a 409 is adopted only if it is ours",
    9: "A lost task re-attaches by application; clear, retry and crash are told apart",
    10: "A kill dequeues and deletes the application by UID, idempotently; cleanup deletes nothing",
    11: "Every failure after creation deletes the application per policy; a time to live is the net",
    12: "Queue, submission, driver scheduling, executor readiness and run have clocks of their own",
    13: "Starvation is detected and answered: warn, fail or requeue",
    14: "The spec of an application is never patched",
    15: "Driver logs are in the task log in both flows; a failing cleanup never hides the root error",
    16: "XCom tells which application it was; a sidecar for a driver's result is refused; nothing hangs",
    17: "restartPolicy defaults to Never and is otherwise honoured",
    18: "Applications for Kueue, Volcano or YuniKorn skip the queue and are tracked, SUSPENDED included",
    19: "One list and watch per connection and namespace, listed again after 410",
}
