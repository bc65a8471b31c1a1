# SPDX-License-Identifier: Apache-2.0
"""The workload file of the simulator: from text to a site and its arrivals, or to every line that is wrong.

A key that is not known is refused with its line and the keys that are: a misspelt ``runtme`` that is
passed over would give an answer, only to another question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from airflow_priority_spark.arbiter.configuration import allowed
from airflow_priority_spark.cli.marked_yaml import MarkedDocument, Path, read_marked
from airflow_priority_spark.cli.workload_entries import ArrivalEntry, WorkloadEntry, expand
from airflow_priority_spark.errors import InvalidFile, InvalidInput
from airflow_priority_spark.scheduling.model import HeadRules, Rules
from airflow_priority_spark.simulator.workload import Arrival, Site, Stream, arrivals_of


@dataclass(frozen=True, slots=True)
class WorkloadFile:
    """What a file describes.

    :param settled: the settings it names; others are at their defaults.
    """

    site: Site
    streams: tuple[Stream, ...]
    settled: frozenset[str]

    def arrivals(self) -> list[Arrival]:
        """Return the jobs in time order."""
        return list(arrivals_of(self.streams))

    def rules_over(self, rules: Rules) -> Rules:
        """Return other rules, with what this file settles instead.

        :param rules: with every duration in ticks.
        """
        own = self.site.rules
        heads = {
            field.name: getattr(own.head_rules, field.name)
            for field in fields(HeadRules)
            if f"head_{field.name}" in self.settled
        }
        batch_size = own.batch_size if "batch_size" in self.settled else rules.batch_size
        return replace(rules, batch_size=batch_size, head_rules=replace(rules.head_rules, **heads))


def read_workload(text: str, name: str, *, replay: bool = False) -> WorkloadFile:
    """Read a workload file.

    :param text: YAML.
    :param name: of the file, for the error.
    :param replay: the jobs come from history: the file names none, and need not name every queue.
    :raises InvalidFile: naming every wrong line with the key, its value and what is allowed.
    """
    document = read_marked(text, name)
    try:
        entry = WorkloadEntry.model_validate({} if document.data is None else document.data)
    except ValidationError as error:
        raise InvalidFile(name, [_fault(document, fault) for fault in error.errors()]) from None
    if faults := list(_contradictions(document, entry, replay=replay)):
        raise InvalidFile(name, faults)
    nodes = (nodes.group().views(number) for number, nodes in enumerate(entry.nodes, 1))
    site = Site(
        queues=tuple(chain.from_iterable(queue.plans() for queue in entry.queues)),
        nodes=tuple(chain.from_iterable(nodes)),
        rules=entry.settings.rules(),
    )
    streams = tuple(chain.from_iterable(arrival.streams() for arrival in entry.arrivals))
    return WorkloadFile(site, streams, frozenset(entry.settings.model_fields_set))


def _fault(document: MarkedDocument, fault: ErrorDetails) -> tuple[int, str]:
    path = tuple(step for step in fault["loc"] if step != "[key]")
    cause, value = fault.get("ctx", {}).get("error"), fault["input"]
    if isinstance(cause, InvalidInput):
        value = cause.value
    where = _readable(path)
    match fault["type"]:
        case "extra_forbidden":
            keys = allowed(WorkloadEntry, fault).removeprefix("the keys ")
            return document.line(path), f"{where}: unknown key; allowed: {keys}"
        case "missing":
            return document.line(path), f"{where}: missing"
        case _:
            return document.line(
                path
            ), f"{where}: {value!r} is not valid; allowed: {allowed(WorkloadEntry, fault)}"


def _readable(path: Sequence[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the file"


def _contradictions(
    document: MarkedDocument, entry: WorkloadEntry, *, replay: bool
) -> Iterator[tuple[int, str]]:
    """Find what every part says rightly and all of them together do not."""
    pools: dict[str, Mapping[str, int]] = {}
    for number, queue in enumerate(entry.queues):
        for namespace in expand(queue.namespace):
            if namespace in pools:
                yield document.line(("queues", number)), f"queues[{number}]: {namespace} is described twice"
            pools[namespace] = queue.pools
    if not entry.queues and not replay:
        yield 1, "queues: missing"
    if replay and entry.arrivals:
        yield document.line(("arrivals",)), "arrivals: must be left out with --from-history"
    for number, arrival in enumerate(entry.arrivals):
        yield from _nowhere(document, number, arrival, pools)


def _nowhere(
    document: MarkedDocument, number: int, arrival: ArrivalEntry, pools: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[int, str]]:
    """Find the first namespace of a stream that has no such queue or pool."""
    path: Path = ("arrivals", number)
    for namespace in expand(arrival.namespace):
        if namespace not in pools:
            known = ", ".join(sorted(pools)[:10]) or "none is described"
            what = f"arrivals[{number}].namespace: {namespace!r} is not valid; allowed: the queues {known}"
            yield document.line((*path, "namespace")), what
            return
        if arrival.pool not in pools[namespace]:
            known = ", ".join(sorted(pools[namespace]))
            what = f"arrivals[{number}].pool: {arrival.pool!r} is not valid; allowed: the pools {known}"
            yield document.line((*path, "pool")), what
            return
