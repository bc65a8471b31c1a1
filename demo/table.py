# SPDX-License-Identifier: Apache-2.0
"""The live table: usage of each quota, and every job that has not ended with what it waits for."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, JobState
from airflow_priority_spark.scheduling.resources import format_amount
from airflow_priority_spark.store.reads import JobSummary
from demo.view import Usage, View

BAR: Final = 16
#: Without a terminal the table is printed so often instead.
PLAIN_SECONDS: Final = 10.0
_STYLES: Final = {
    JobState.QUEUED: "yellow",
    JobState.HELD: "magenta",
    JobState.ADMITTED: "cyan",
    JobState.SUBMITTED: "cyan",
    JobState.RUNNING: "green",
}


class Screen:
    """Shows views: in place on a terminal, one below the other everywhere else."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._began = time.monotonic()
        self._printed = -PLAIN_SECONDS

    def show(self, view: View) -> None:
        """Show the present."""
        since = time.monotonic() - self._began
        if self._live is not None:
            self._live.update(render(view, since), refresh=True)
        elif since - self._printed >= PLAIN_SECONDS and view.queues:
            self._printed = since
            self._console.print(render(view, since))

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


def render(view: View, since: float) -> RenderableType:
    """Return the whole picture.

    :param since: seconds since the demo began to look.
    """
    ended = [job for job in view.jobs if job.ended_at is not None]
    succeeded = sum(job.state is JobState.SUCCEEDED for job in ended)
    heading = (
        f"{duration(since)}  {len(view.jobs) - len(ended)} jobs open, "
        f"{succeeded} succeeded, {len(ended) - succeeded} failed"
    )
    return Group(Text(heading, style="bold"), _usage_table(view.usages), _job_table(view.jobs), Text())


def _usage_table(usages: tuple[Usage, ...]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for usage in usages:
        used, promised, hard = (
            format_amount(usage.key, amount) for amount in (usage.used, usage.promised, usage.hard)
        )
        drawn = bar(usage.used, usage.promised, usage.hard)
        table.add_row(usage.namespace, usage.key, drawn, f"{used} used, {promised} promised of {hard}")
    return table


def bar(used: int, promised: int, hard: int) -> str:
    """Draw a quota: ``█`` is used by pods, ``▒`` is promised to pods that do not exist yet."""
    full = min(BAR, round(BAR * used / hard)) if hard else BAR
    more = min(BAR, round(BAR * max(used, promised) / hard)) - full if hard else 0
    return "█" * full + "▒" * more + "·" * (BAR - full - more)


def _job_table(jobs: tuple[JobSummary, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, options in (
        ("queue/pool", {}),
        ("#", {"justify": "right"}),
        ("task", {}),
        ("state", {}),
        ("waited", {"justify": "right"}),
        ("", {"overflow": "fold"}),
    ):
        table.add_column(title, **options)
    for job in sorted((job for job in jobs if job.state in ACTIVE | WAITING), key=_order):
        table.add_row(
            f"{job.namespace}/{job.pool}",
            str(job.position or ""),
            escape(job.task.task_id),
            Text(job.state.value, style=_STYLES[job.state]),
            duration(job.wait_seconds),
            escape(job.sentence),
        )
    return table


def _order(job: JobSummary) -> tuple[str, bool, int, str, int]:
    """Within each namespace first what is admitted, in its order, then each priority pool's line."""
    return job.namespace, job.state in WAITING, job.admission_order or 0, job.pool, job.position or 0


def duration(seconds: float) -> str:
    """Say seconds as ``1m05s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
