# SPDX-License-Identifier: Apache-2.0
"""What a task hands to the queue when it defers, and what the queue hands back.

Trigger kwargs lie in Airflow's database in clear. So this payload carries the demand and
identifiers, never the manifest or a conf value. The worker writes it with ``to_json``; the arbiter
reads it with ``from_json``, which accepts plain JSON only, checks every field and refuses what is
too large: the payload comes from whoever may write a DAG.

The same demand codec is used for the ``demand`` columns of the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from airflow_priority_spark.errors import InvalidRequest
from airflow_priority_spark.scheduling.model import Demand, PodSet, Toleration
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark import placement_json
from airflow_priority_spark.spark.notices import Attached, attached

SCHEMA_VERSION: Final = 1
#: Bytes of JSON; a demand with two pod sets, tolerations and labels stays far below.
MAX_REQUEST_BYTES: Final = 64 * 1024
MAX_PODS: Final = 100_000

FLOWS: Final = ("priority", "observe", "legacy")
ON_UNCLAIMED: Final = ("wait", "fail", "legacy")
DEFAULT_PRIORITY: Final = "normal"

Flow = Literal["priority", "observe", "legacy"]


@dataclass(frozen=True, slots=True)
class ConnectionRef:
    """Which cluster: an Airflow Kubernetes connection as the stock provider uses it, and its overrides.

    :param conn_id: Airflow connection id, e.g. ``kubernetes_default``.
    :param cluster_context: context of the kubeconfig, ``None`` for the connection's own.
    :param config_file: path of a kubeconfig, ``None`` for the connection's own.
    :param in_cluster: use the pod's service account, ``None`` for the connection's own.
    """

    conn_id: str | None = "kubernetes_default"
    cluster_context: str | None = None
    config_file: str | None = None
    in_cluster: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "conn_id": self.conn_id,
            "cluster_context": self.cluster_context,
            "config_file": self.config_file,
            "in_cluster": self.in_cluster,
        }

    @classmethod
    def from_json(cls, value: Any) -> ConnectionRef:
        """Read the JSON form.

        :raises InvalidRequest: naming the field.
        """
        data = _object(value, "connection", {"conn_id", "cluster_context", "config_file", "in_cluster"})
        in_cluster = data.get("in_cluster")
        if in_cluster is not None and not isinstance(in_cluster, bool):
            raise InvalidRequest("connection.in_cluster", in_cluster, "true, false or null")
        return cls(
            conn_id=_optional_text(data, "conn_id", "connection."),
            cluster_context=_optional_text(data, "cluster_context", "connection."),
            config_file=_optional_text(data, "config_file", "connection."),
            in_cluster=in_cluster,
        )

    def alias(self) -> str:
        """Return a stable text for this way to a cluster, the key of the alias table."""
        return json.dumps(self.to_json(), sort_keys=True)

    @classmethod
    def parse(cls, alias: str) -> ConnectionRef:
        """Read what ``alias`` returned.

        :raises InvalidRequest: naming the field.
        """
        return cls.from_json(json.loads(alias))


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One deferral to the queue.

    :param priority: name of the priority pool; the queue must know it.
    :param flow: ``priority`` waits, ``observe`` records what would have happened and is admitted at once.
    :param reason: why a task that was admitted before comes back (``stale quota: …``), else empty.
    :param admission: the admission number that is given back, 0 for a first deferral.
    :param application: name of the application of that admission, if one was created.
    :param keep_application: do not delete the application when the task is killed.
    :param notify: notice → names of the site's notifiers that are to be told.
    :param queue_timeout_seconds: whole seconds after which a waiting job is cancelled, 0 for never.
    """

    namespace: str
    priority: str
    demand: Demand
    connection: ConnectionRef = ConnectionRef()
    flow: Flow = "priority"
    reason: str = ""
    admission: int = 0
    application: str = ""
    keep_application: bool = False
    queue_timeout_seconds: int = 0
    notify: Attached = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form (dicts, lists, strings, numbers, booleans only)."""
        return {
            "version": SCHEMA_VERSION,
            "namespace": self.namespace,
            "priority": self.priority,
            "demand": demand_to_json(self.demand),
            "connection": self.connection.to_json(),
            "flow": self.flow,
            "reason": self.reason,
            "admission": self.admission,
            "application": self.application,
            "keep_application": self.keep_application,
            "queue_timeout_seconds": self.queue_timeout_seconds,
            # Only where it is wanted: an arbiter of an older version refuses what it does not know.
            **({"notify": {notice: list(names) for notice, names in self.notify}} if self.notify else {}),
        }

    def checked(self) -> dict[str, Any]:
        """Return the JSON form after reading it as the arbiter will.

        :raises InvalidRequest: what the arbiter would refuse, so that the task fails now.
        """
        type(self).parse(json.dumps(self.to_json()))
        return self.to_json()

    @classmethod
    def from_json(cls, value: Any) -> AdmissionRequest:
        """Read the JSON form.

        :raises InvalidRequest: naming the field, the value and what is allowed.
        """
        data = _object(value, "request", set(cls.__slots__) | {"version"})
        if data.get("version") != SCHEMA_VERSION:
            raise InvalidRequest("version", data.get("version"), f"{SCHEMA_VERSION}")
        flow = data.get("flow")
        if flow not in FLOWS:
            raise InvalidRequest("flow", flow, ", ".join(FLOWS))
        keep = data.get("keep_application")
        if not isinstance(keep, bool):
            raise InvalidRequest("keep_application", keep, "true or false")
        return cls(
            namespace=_text(data, "namespace"),
            priority=_text(data, "priority"),
            demand=demand_from_json(data.get("demand")),
            connection=ConnectionRef.from_json(data.get("connection")),
            flow=flow,
            reason=_text(data, "reason", empty=True),
            admission=_count(data.get("admission"), "admission"),
            application=_text(data, "application", empty=True),
            keep_application=keep,
            queue_timeout_seconds=_count(data.get("queue_timeout_seconds", 0), "queue_timeout_seconds"),
            notify=attached(data.get("notify")),
        )

    @classmethod
    def parse(cls, text: str) -> AdmissionRequest:
        """Read JSON text, refusing what is too large before looking inside.

        :raises InvalidRequest: naming the field, the value and what is allowed.
        """
        if len(text.encode()) > MAX_REQUEST_BYTES:
            raise InvalidRequest(
                "request", f"{len(text.encode())} bytes", f"at most {MAX_REQUEST_BYTES} bytes"
            )
        try:
            return cls.from_json(json.loads(text))
        except (json.JSONDecodeError, RecursionError) as error:
            raise InvalidRequest("request", text[:80], "a JSON object") from error


def demand_to_json(demand: Demand) -> dict[str, Any]:
    """Return the JSON form of a demand; amounts are integers in base units (millicores, bytes, counts)."""
    return {
        "pod_sets": [
            {
                "name": pods.name,
                "count": pods.count,
                "requests": pods.requests.as_dict(),
                "limits": pods.limits.as_dict(),
                "node_selector": dict(pods.node_selector),
                "tolerations": [toleration._asdict() for toleration in pods.tolerations],
                **placement_json.to_json(pods),
            }
            for pods in demand.pod_sets
        ],
        "objects": demand.objects.as_dict(),
    }


def demand_from_json(value: Any) -> Demand:
    """Read the JSON form of a demand.

    :raises InvalidRequest: naming the field.
    """
    data = _object(value, "demand", {"pod_sets", "objects"})
    pod_sets = data.get("pod_sets")
    if not isinstance(pod_sets, list) or not pod_sets:
        raise InvalidRequest("demand.pod_sets", pod_sets, "a list with at least one pod set")
    return Demand(
        pod_sets=tuple(_pod_set(item, f"demand.pod_sets[{index}]") for index, item in enumerate(pod_sets)),
        objects=_amounts(data.get("objects", {}), "demand.objects"),
    )


def _pod_set(value: Any, where: str) -> PodSet:
    known = {"name", "count", "requests", "limits", "node_selector", "tolerations"} | placement_json.KEYS
    data = _object(value, where, known)
    selector = _object(data.get("node_selector", {}), f"{where}.node_selector")
    tolerations = data.get("tolerations", [])
    if not isinstance(tolerations, list):
        raise InvalidRequest(f"{where}.tolerations", tolerations, "a list")
    count = _count(data.get("count"), f"{where}.count")
    if count > MAX_PODS:
        raise InvalidRequest(f"{where}.count", count, f"at most {MAX_PODS}")
    return PodSet(
        name=_text(data, "name", f"{where}."),
        count=count,
        requests=_amounts(data.get("requests"), f"{where}.requests"),
        limits=_amounts(data.get("limits", {}), f"{where}.limits"),
        node_selector=tuple(sorted((str(name), str(text)) for name, text in selector.items())),
        tolerations=tuple(_toleration(item, f"{where}.tolerations") for item in tolerations),
        affinity=placement_json.affinity(data.get("affinity"), f"{where}.affinity"),
        labels=placement_json.labels(data.get("labels"), f"{where}.labels"),
        containers=placement_json.containers(data.get("containers"), f"{where}.containers", _amounts),
        scope=placement_json.scope(data.get("scope"), f"{where}.scope"),
    )


def _toleration(value: Any, where: str) -> Toleration:
    data = _object(value, where, set(Toleration._fields))
    operator = data.get("operator", "Equal")
    if operator not in ("Exists", "Equal"):
        raise InvalidRequest(f"{where}.operator", operator, "Exists or Equal")
    text = {name: str(data.get(name) or "") for name in ("key", "value", "effect")}
    return Toleration(key=text["key"], operator=operator, value=text["value"], effect=text["effect"])


def _amounts(value: Any, where: str) -> Resources:
    data = _object(value, where)
    return Resources({str(name): _count(amount, f"{where}.{name}") for name, amount in data.items()})


def _object(value: Any, where: str, known: set[str] | None = None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(where, value, "an object")
    unknown = set(value) - known if known is not None else set()
    if known is not None and unknown:
        raise InvalidRequest(
            f"{where}.{min(map(str, unknown))}", "present", f"one of {', '.join(sorted(known))}"
        )
    return value


def _read(value: Any, where: str, accept: Callable[[Any], bool], allowed: str) -> Any:
    if not accept(value):
        raise InvalidRequest(where, value, allowed)
    return value


def _text(data: Mapping[str, Any], name: str, prefix: str = "", *, empty: bool = False) -> str:
    allowed = (
        "a string of at most 2000 characters" if empty else "a non-empty string of at most 2000 characters"
    )
    text: str = _read(
        data.get(name),
        prefix + name,
        lambda value: isinstance(value, str) and len(value) <= 2000 and (empty or bool(value)),
        allowed,
    )
    return text


def _optional_text(data: Mapping[str, Any], name: str, prefix: str) -> str | None:
    return None if data.get(name) is None else _text(data, name, prefix)


def _count(value: Any, where: str) -> int:
    count: int = _read(
        value,
        where,
        lambda number: isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**63,
        "a whole number from 0 to 2^63-1",
    )
    return count
