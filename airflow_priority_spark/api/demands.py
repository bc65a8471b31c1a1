# SPDX-License-Identifier: Apache-2.0
"""Another demand for a waiting job, from what a person names of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from airflow_priority_spark.api.datamodels.acts import DemandWanted, PodsWanted
from airflow_priority_spark.errors import InvalidInput, InvalidQuantity
from airflow_priority_spark.scheduling.model import Demand, PodSet
from airflow_priority_spark.scheduling.resources import Resources, parse_resource


def changed_demand(demand: Demand, wanted: DemandWanted) -> Demand:
    """Return the demand with what is wanted instead; placement stays as it is.

    :raises InvalidInput: naming the field: no such pods, or an amount that is none.
    """
    known = {pods.name for pods in demand.pod_sets}
    asked: dict[str, PodsWanted] = {}
    for name in DemandWanted.model_fields:
        if (pods := getattr(wanted, name)) is None:
            continue
        if name not in known:
            raise InvalidInput(f"demand.{name}", name, ", ".join(sorted(known)))
        asked[name] = pods
    pod_sets = tuple(
        _changed(pods, asked[pods.name]) if pods.name in asked else pods for pods in demand.pod_sets
    )
    return replace(demand, pod_sets=pod_sets)


def _changed(pods: PodSet, wanted: PodsWanted) -> PodSet:
    count = getattr(wanted, "count", None)
    found = pods if count is None else replace(pods, count=count)
    if not wanted.requests:
        return found
    named = _amounts(wanted.requests, f"demand.{pods.name}.requests")
    requests = Resources({**pods.requests.as_dict(), **named})
    raised = {name: max(amount, named.get(name, 0)) for name, amount in pods.limits.items()}
    # How the new amounts are shared among its containers nobody has said: it counts as one.
    return replace(found, requests=requests, limits=Resources(raised), containers=())


def _amounts(quantities: Mapping[str, str | int], where: str) -> dict[str, int]:
    """Read texts as Kubernetes quantities; numbers are in the base unit already."""
    found = {}
    for name, value in quantities.items():
        field = f"{where}.{name}"
        try:
            amount = value if isinstance(value, int) else parse_resource(name, value)
        except InvalidQuantity as error:
            raise InvalidQuantity(field, value, error.allowed) from None
        if amount < 0:
            raise InvalidQuantity(field, value, "a quantity of at least 0")
        found[name] = amount
    return found
