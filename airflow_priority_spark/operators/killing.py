# SPDX-License-Identifier: Apache-2.0
"""What a kill of a worker deletes: the application it is creating, has created, or is finishing.

Airflow gives a kill 30 seconds. The two requests it takes, a look and a deletion of what was seen, fit in
even when the API server is at its slowest. A kill may strike while the creation is on its way to the API
server; so what is not there yet is looked for again, for a few seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.operators.ending import remove
from airflow_priority_spark.spark.identity import belongs_to

if TYPE_CHECKING:
    from airflow_priority_spark.cluster.connections import ClusterConnection

#: Longest silence of the API server; connecting may take 5 s more, each time.
READ_SECONDS: Final = 8.0
#: How long, and how often, an application is looked for whose creation nobody has answered.
APPEAR_SECONDS: Final = 4.0
_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """An application of ours.

    :param labels: what tells that the object of this name is ours, while its UID is not known.
    :param uid: empty while it is being created.
    """

    connection: ClusterConnection
    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    uid: str = ""

    def delete(self, log: logging.Logger) -> None:
        """Delete it if it exists and is ours; a failure to do so is told."""
        from airflow_priority_spark.cluster.applications import get_application

        where = (self.namespace, self.name)
        patience = time.monotonic() + (0.0 if self.uid else APPEAR_SECONDS)
        try:
            view = get_application(self.connection, *where, read_seconds=READ_SECONDS)
            while view is None and time.monotonic() < patience:
                time.sleep(_PAUSE_SECONDS)
                view = get_application(self.connection, *where, read_seconds=READ_SECONDS)
        except PrioritySparkError as error:
            log.warning("Killed, but SparkApplication %s/%s cannot be looked at: %s", *where, error)
            return
        if view is None or not belongs_to(view.labels, self.labels) or self.uid not in ("", view.uid):
            return
        log.info("Killed: deleting SparkApplication %s/%s", *where)
        remove(self.connection, *where, view.uid, log, read_seconds=READ_SECONDS)
