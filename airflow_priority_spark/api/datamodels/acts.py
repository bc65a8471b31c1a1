# SPDX-License-Identifier: Apache-2.0
"""What people ask for when they act, and what they are told."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from airflow_priority_spark.api.datamodels.base import Answer
from airflow_priority_spark.api.filters import Selection
from airflow_priority_spark.arbiter import configuration
from airflow_priority_spark.spark.request import MAX_PODS

#: Ids in one bulk act, and refusals that are listed.
MOST: Final = 1000
_MAX_AMOUNT: Final = 2**63 - 1

#: One line of text: it ends up in task logs and terminals.
Reason = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$"
    ),
    Field(
        description="Why; it is kept in the job's events and in the audit.", examples=["quarter end first"]
    ),
]
PoolName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[^\x00]*$")]


class Act(BaseModel):
    """Base of all acts: who acts says why; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Requeue(Act):
    """Another try for a job that has timed out."""

    last: bool = Field(False, description="At the end of its pool instead of at the position it had.")


class Beside(BaseModel):
    """A place directly before or behind another job of the same pool."""

    model_config = ConfigDict(extra="forbid")

    before: UUID | None = None
    after: UUID | None = None

    @model_validator(mode="after")
    def _one(self) -> Beside:
        return _exactly_one(self, "before", "after")


Amount = Annotated[
    str | Annotated[int, Field(strict=True, ge=0, le=_MAX_AMOUNT)],
    Field(description="A Kubernetes quantity as a text, or a whole number in the base unit of answers."),
]
Requests = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"^[a-z0-9./-]+$")], Amount],
    Field(
        max_length=20,
        description="Of one pod; resources that are not named stay.",
        examples=[{"memory": "4Gi"}],
    ),
]


class PodsWanted(BaseModel):
    """Another size for the pods of one shape; what is not named stays."""

    model_config = ConfigDict(extra="forbid")

    requests: Requests | None = None


class ExecutorsWanted(PodsWanted):
    """Another size, another number of executors."""

    count: int | None = Field(None, strict=True, ge=0, le=MAX_PODS)


class DemandWanted(BaseModel):
    """How much room a waiting job reserves; its application stays what its author wrote."""

    model_config = ConfigDict(extra="forbid")

    driver: PodsWanted | None = None
    executor: ExecutorsWanted | None = None


class JobChange(Act):
    """Another pool, place or demand for a waiting job: one of them."""

    pool: PoolName | None = Field(None, examples=["high"])
    position: Literal["first", "last"] | Beside | None = Field(None, examples=["first"])
    demand: DemandWanted | None = None

    @model_validator(mode="after")
    def _one(self) -> JobChange:
        return _exactly_one(self, "pool", "position", "demand")


class BulkAct(Act):
    """The same for many jobs: for those with these ids, or for all that a filter selects."""

    action: Literal["hold", "release", "cancel", "requeue", "legacy", "pool"]
    ids: list[UUID] | None = Field(None, min_length=1, max_length=MOST)
    filter: Selection | None = Field(
        None, description="As in `GET /jobs`.", examples=[{"namespace": "team-a"}]
    )
    pool: PoolName | None = Field(None, description="The pool to move to, for the action `pool`.")
    dry_run: bool = Field(False, description="Change nothing, only tell what would be.")

    @model_validator(mode="after")
    def _consistent(self) -> BulkAct:
        if (self.pool is None) == (self.action == "pool"):
            raise ValueError("pool together with the action pool, and only with it")
        return _exactly_one(self, "ids", "filter")


def _exactly_one(model: Any, *names: str) -> Any:
    if sum(getattr(model, name) is not None for name in names) != 1:
        raise ValueError(f"exactly one of {', '.join(names)}")
    return model


class Refused(Answer):
    """A job that nothing was done to."""

    id: str
    detail: str = Field(examples=["job 0198f3a0-7c1e-7b6e-9d7e-3d3e0b6f1c55 has ended: succeeded"])


class BulkDone(Answer):
    """What became of an act on many jobs."""

    changed: int = Field(description="Jobs that were changed, or with dry_run would be.", examples=[12])
    refused: list[Refused] = Field(description=f"The first {MOST} that were not, each with the reason.")
    refused_count: int = Field(examples=[0])
    dry_run: bool


class ChangedValue(Answer):
    """One value that an act has changed."""

    where: str = Field(examples=["queue spark-prod/team-a"])
    key: str = Field(description="Empty: all of it came or went.", examples=["weight"])
    before: Any = Field(examples=[1])
    after: Any = Field(examples=[2])


class Changed(Answer):
    """What an act has changed; nothing, when everything was so already."""

    changes: list[ChangedValue]


class QueueChange(configuration.HeadRules):
    """Settings of a queue; what is not named stays, null goes back to what is inherited."""

    weight: configuration.AtLeastOne | None = Field(None, examples=[2])
    policy: Literal["weighted", "strict"] | None = None
    capacity: configuration.Quantities | None = Field(None, examples=[{"requests.cpu": "40"}])
    job_limit: configuration.AtLeastOne | None = None
    reason: Reason


class PoolChange(configuration.HeadRules):
    """Settings of a pool; what is not named stays, null goes back to what is inherited."""

    weight: configuration.AtLeastOne | None = Field(None, examples=[20])
    job_limit: configuration.AtLeastOne | None = None
    allowed: configuration.Allowed | None = None
    reason: Reason


class PoolWanted(configuration.Pool):
    """A whole priority pool; what is left out is inherited."""

    reason: Reason


def given(body: BaseModel) -> dict[str, Any]:
    """Return the settings that were named, as plain data."""
    return body.model_dump(exclude_unset=True, exclude={"reason"})
