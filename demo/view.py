# SPDX-License-Identifier: Apache-2.0
"""What the table shows, read as the command line reads it.

Also keeps what the database forgets on purpose: a job's blocking resource is cleared when the job is
admitted, and the summary wants to say what it waited for.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.store import reads
from demo.site import AirflowSite


@dataclass(frozen=True, slots=True)
class Usage:
    """One resource of one quota, in base units.

    :param promised: what the grants of its queue add up to; pods that run are part of it.
    """

    namespace: str
    key: str
    used: int
    hard: int
    promised: int


@dataclass(frozen=True, slots=True)
class View:
    """One look at everything."""

    queues: tuple[reads.QueueSummary, ...] = ()
    jobs: tuple[reads.JobSummary, ...] = ()
    usages: tuple[Usage, ...] = ()
    leader: str = ""


class Viewer:
    """Looks again and again, and remembers what each job was blocked by."""

    def __init__(self, site: AirflowSite, namespaces: tuple[str, ...]) -> None:
        self._site, self._namespaces = site, namespaces
        self.last = View()
        self.blocked_by: dict[str, set[str]] = defaultdict(set)

    def look(self) -> View:
        """Return the present; the last look again while another process writes to the SQLite file."""
        try:
            with self._site.database() as session:
                self.last = read_view(session, datetime.datetime.now(datetime.UTC), self._namespaces)
        except OperationalError:
            return self.last
        for job in self.last.jobs:
            if job.blocking_resource:
                self.blocked_by[job.id].add(job.blocking_resource)
        return self.last


def read_view(session: Session, now: datetime.datetime, namespaces: tuple[str, ...]) -> View:
    """Read queues, jobs, pictures and the arbiter."""
    queues = reads.list_queues(session, now)
    granted = {queue.namespace: queue.granted for queue in queues}
    status = reads.arbiter_status(session, now)
    usages = [
        usage
        for picture in reads.latest_snapshots(session, now)
        for quota in picture.data["quotas"]
        if quota["namespace"] in namespaces
        for usage in _usages(quota, granted.get(quota["namespace"], Resources()))
    ]
    return View(
        queues=queues,
        jobs=reads.list_jobs(session, now, limit=1000).jobs,
        usages=tuple(usages),
        leader=status.leader if status.alive else "",
    )


def _usages(quota: Mapping[str, Any], granted: Resources) -> list[Usage]:
    return [
        Usage(
            namespace=quota["namespace"],
            key=key,
            used=quota["used"].get(key, 0),
            hard=hard,
            promised=granted[key.removeprefix("requests.")],
        )
        for key, hard in quota["hard"].items()
    ]
