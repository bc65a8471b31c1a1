# SPDX-License-Identifier: Apache-2.0
"""What a site may set, and within which bounds: the one description of queues, pools, limits and rules.

The declarative file, the command line and the API all end here, so that a value is refused by the same
words wherever it comes from. A value that is absent (``None``) is inherited: a pool's from its queue, a
queue's from the site, the site's from ``[priority_spark]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from airflow_priority_spark.errors import InvalidInput, InvalidQuantity
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.names import check_namespace, check_pool

#: Columns of ours are 32 bits wide.
_MOST: Final = 2**31 - 1


def _quantities(value: Any) -> Any:
    """Take numbers as the quantities they are: ``cpu: 20`` is ``cpu: "20"``."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: str(item) if isinstance(item, int | float) and not isinstance(item, bool) else item
        for key, item in value.items()
    }


def _checked_quantities(value: dict[str, str]) -> dict[str, str]:
    for key, amount in Resources.parse(value).items():
        if amount < 0:
            raise InvalidQuantity(key, value[key], "a quantity of at least 0")
    return value


def _pattern(value: str) -> str:
    if not value.strip():
        raise InvalidInput("pattern", value, "a text that is not empty; * and ? stand for any characters")
    return value


Count = Annotated[int, Field(ge=0, le=_MOST)]
AtLeastOne = Annotated[int, Field(ge=1, le=_MOST)]
Quantities = Annotated[
    dict[str, str], BeforeValidator(_quantities), AfterValidator(_checked_quantities), Field(min_length=1)
]
Namespace = Annotated[str, AfterValidator(lambda name: check_namespace("namespace", name))]
PoolName = Annotated[str, AfterValidator(lambda name: check_pool("pool", name))]
Patterns = list[Annotated[str, AfterValidator(_pattern)]]


class Configured(BaseModel):
    """Base of everything configurable: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def given(self) -> dict[str, Any]:
        """Return what is not inherited or at its default, as plain data."""
        return self.model_dump(exclude_defaults=True)


class HeadRules(Configured):
    """What happens to a blocked head; times are seconds, a timeout of 0 never comes."""

    head_timeout_seconds: Count | None = None
    head_retry_count: Count | None = None
    head_retry_position: Literal["keep", "tail"] | None = None
    head_timeout_action: Literal["cancel", "hold"] | None = None
    head_protection_seconds: Count | None = None


class Site(HeadRules):
    """Settings of the whole site; a limit of 0 is none."""

    batch_size: AtLeastOne | None = None
    job_limit: Count | None = None
    job_limit_per_user: Count | None = None
    job_limit_per_service: Count | None = None
    job_limit_per_user_service: Count | None = None


class Allowed(Configured):
    """Who may use a pool: whoever matches one of the patterns; nobody is named, anyone may."""

    teams: Patterns = []
    bundles: Patterns = []
    dag_ids: Patterns = []
    tags: Patterns = []


class Pool(HeadRules):
    """A priority pool; ``high: 90`` stands for ``high: {weight: 90}``."""

    weight: AtLeastOne
    job_limit: AtLeastOne | None = None
    allowed: Allowed = Allowed()

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"weight": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Queue(HeadRules):
    """The queue of a namespace, but for its pools."""

    weight: AtLeastOne = 1
    policy: Literal["weighted", "strict"] = "weighted"
    capacity: Quantities | None = None
    job_limit: AtLeastOne | None = None


class DeclaredQueue(Queue):
    """A queue in the declarative file.

    :param cluster: its name; may be left out where only one cluster is known.
    :param pools: all pools of the queue; left out, they stay as they are.
    """

    namespace: Namespace
    cluster: str | None = None
    pools: Annotated[dict[PoolName, Pool], Field(min_length=1)] | None = None


class Cluster(Configured):
    """A cluster's own capacity mode, kind of nodes and limit."""

    mode: (
        Literal[
            "auto",
            "quota",
            "quota+nodes",
            "auto+placeholder",
            "quota+placeholder",
            "quota+nodes+placeholder",
            "auto+dry-run",
            "quota+dry-run",
            "quota+nodes+dry-run",
            "auto+dry-run+placeholder",
            "quota+dry-run+placeholder",
            "quota+nodes+dry-run+placeholder",
        ]
        | None
    ) = None
    nodes: Literal["auto", "fixed", "elastic"] | None = None
    job_limit: AtLeastOne | None = None
    node_maxima: Quantities | None = None


class DeclaredCluster(Cluster):
    """A cluster in the declarative file, by its name: the connection that first led to it."""

    name: Annotated[str, Field(min_length=1, max_length=250)]


class Rule(Configured):
    """Assigns a pool to jobs that match one pattern of every list given, in one namespace or in all."""

    pool: PoolName
    dag_ids: Patterns = []
    tags: Patterns = []
    teams: Patterns = []
    bundles: Patterns = []
    namespace: Namespace | None = None


class Declaration(Configured):
    """The whole declarative file; a part that is left out stays as it is."""

    site: Site | None = None
    clusters: list[DeclaredCluster] | None = None
    queues: list[DeclaredQueue] | None = None
    rules: list[Rule] | None = None


T = TypeVar("T", bound=Configured)


def checked(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Return the values as what they are meant to be.

    :param where: what is configured, for the error: ``queue team-a``.
    :raises InvalidInput: naming the first field that is wrong, its value and what is allowed.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        path, value = found(first)
        field = ".".join(map(str, path))
        raise InvalidInput(f"{where}: {field}", value, allowed(kind, first)) from None


#: What pydantic puts behind the path when the key of a mapping is wrong, not its value.
_KEY: Final = "[key]"


def found(fault: ErrorDetails) -> tuple[tuple[str | int, ...], Any]:
    """Return where a fault is, and the value that was found there."""
    path = tuple(step for step in fault["loc"] if step != _KEY)
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, InvalidQuantity):
        return (*path, cause.field), cause.value
    return path, None if fault["type"] == "missing" else fault["input"]


def allowed(kind: type[Configured], fault: ErrorDetails) -> str:
    """Return a phrase that completes "allowed: …" for what pydantic found.

    :param kind: what was validated.
    """
    context = fault.get("ctx", {})
    match fault["type"]:
        case "extra_forbidden":
            return "the keys " + ", ".join(keys_at(kind, fault["loc"][:-1]))
        case "literal_error":
            return str(context["expected"]).replace(" or ", ", ").replace("'", "")
        case "greater_than_equal":
            return f"a whole number of at least {context['ge']}"
        case "less_than_equal":
            return f"a whole number of at most {context['le']}"
        case "value_error":
            cause = context["error"]
            return cause.allowed if isinstance(cause, InvalidInput) else str(cause)
        case kind_of_fault:
            return _PHRASES.get(kind_of_fault, str(fault["msg"]))


_PHRASES: Final = {
    "missing": "any value, but it must be given",
    "int_type": "a whole number",
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "too_short": "one entry at least",
    "string_too_short": "a text that is not empty",
    "string_too_long": "a shorter text",
}


def keys_at(kind: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Return the keys that may stand at a place below ``kind``, sorted."""
    models = {kind}
    for step in path:
        inner = {model for found in models for model in _models_at(found, step)}
        # A name chosen by the author (of a pool) or an index leaves us where we are.
        models = inner or models
    return sorted({name for model in models for name in model.model_fields})


def _models_at(kind: type[BaseModel], step: str | int) -> Iterable[type[BaseModel]]:
    field = kind.model_fields.get(str(step))
    return _models_in(field.annotation) if field is not None else ()


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
