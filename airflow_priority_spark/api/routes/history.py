# SPDX-License-Identifier: Apache-2.0
"""The past: how long the lines were, how long jobs waited, what was used, and what was waited for."""

from __future__ import annotations

import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from airflow_priority_spark.api.datamodels import history as answers
from airflow_priority_spark.api.datamodels.base import GivenInstant, GivenText
from airflow_priority_spark.api.dependencies import AccessDep, NowDep, SessionDep
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.store.history_reads import Window, heat_map, line_series, usage_series

router = APIRouter(tags=["history"])

_MOST_STEPS: Final = 500
_STEPS: Final = 120
_DAY: Final = datetime.timedelta(days=1)
_LONGEST: Final = datetime.timedelta(days=92)


class Span(BaseModel):
    """A span of time, and whose."""

    model_config = ConfigDict(extra="forbid")

    start: GivenInstant | None = Field(None, alias="from", description="Default: a day before `to`.")
    end: GivenInstant | None = Field(None, alias="to", description="Default: now.")
    namespace: GivenText | None = None

    def bounds(self, now: datetime.datetime, default: datetime.timedelta) -> tuple[datetime.datetime, ...]:
        """Return where the span begins and ends.

        :raises InvalidInput: when it is empty or too long.
        """
        end = self.end or now
        start = self.start or end - default
        if not start < end <= start + _LONGEST:
            raise InvalidInput(
                "from", start.isoformat(), f"an instant up to {_LONGEST.days} days before `to`"
            )
        return start, end


class HistoryQuery(Span):
    """A span of time in steps."""

    step: int | None = Field(None, ge=1, le=7 * 86400, description="Seconds; default: a 120th of the span.")


@router.get("/history")
def get_history(
    query: Annotated[HistoryQuery, Query()], _access: AccessDep, session: SessionDep, now: NowDep
) -> answers.History:
    """Tell queue depth, wait and usage over time; over all jobs, whoever may read them."""
    window = _window(query, now)
    return answers.History(
        at=window.instants(),
        step_seconds=window.step_seconds,
        lines=[
            answers.Line.of(
                line,
                depth=[point.depth for point in line.points],
                admitted=[point.admitted for point in line.points],
                average_wait_seconds=[point.average_wait_seconds for point in line.points],
                longest_wait_seconds=[point.longest_wait_seconds for point in line.points],
            )
            for line in line_series(session, window, query.namespace)
        ],
        usage=[
            answers.UsedQuota.of(series, hard=list(series.hard), used=list(series.used))
            for series in usage_series(session, window, query.namespace)
        ],
    )


def _window(query: HistoryQuery, now: datetime.datetime) -> Window:
    start, end = query.bounds(now, _DAY)
    seconds = (end - start).total_seconds()
    step = query.step or max(1, int(seconds // _STEPS))
    steps = max(1, -int(-seconds // step))
    if steps > _MOST_STEPS:
        raise InvalidInput("step", step, f"at least {int(seconds // _MOST_STEPS) + 1} for this span")
    return Window(start, steps, step)


@router.get("/history/heatmap")
def get_heat_map(
    query: Annotated[Span, Query()], _access: AccessDep, session: SessionDep, now: NowDep
) -> answers.HeatMap:
    """Tell for which resource jobs waited, hour by hour; without a span for the last seven days."""
    start, end = query.bounds(now, 7 * _DAY)
    cells = heat_map(session, start, end, query.namespace)
    return answers.HeatMap(cells=[answers.HeatCell.of(cell) for cell in cells])
