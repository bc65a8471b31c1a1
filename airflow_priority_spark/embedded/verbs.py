# SPDX-License-Identifier: Apache-2.0
"""What the API server does with a request: the verbs, over the store.

Each verb runs without a pause, so that checking a quota and storing the pod is one step: two creations can
never both see the same room.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_priority_spark.embedded import errors
from airflow_priority_spark.embedded.kinds import NAMESPACES, PODS, RESOURCE_QUOTAS, SPARK_APPLICATIONS, Kind
from airflow_priority_spark.embedded.objects import (
    current_time,
    generated_name,
    is_finished,
    new_uid,
    timestamp,
)
from airflow_priority_spark.embedded.preparation import check_name, prepare
from airflow_priority_spark.embedded.quota import QuotaLedger
from airflow_priority_spark.embedded.selectors import Predicate
from airflow_priority_spark.embedded.store import Record, Store

Data = dict[str, Any]
Mutation = Callable[[Data], Data]

# The only fields of a pod's spec that may change (kubernetes ``pkg/apis/core/validation``).
_MUTABLE_POD_FIELDS = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")
_IMMUTABLE_POD_TEXT = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
    "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)"
)


@dataclass(frozen=True)
class Deletion:
    """``DeleteOptions`` as far as they are understood."""

    uid: str | None = None
    resource_version: str | None = None
    grace_seconds: int | None = None


class Verbs:
    """Create, read, update and delete objects as the API server does."""

    def __init__(self, store: Store, ledger: QuotaLedger) -> None:
        self.store = store
        self._ledger = ledger

    def get(self, kind: Kind, namespace: str, name: str) -> Record:
        """Return an object, or raise 404."""
        record = self.store.get(kind, namespace, name)
        if record is None:
            raise errors.not_found(kind, name)
        return record

    def create(self, kind: Kind, namespace: str, body: Mapping[str, Any]) -> Record:
        """Store a new object; raises 400, 403, 404, 409 or 422."""
        data = self._new_object(kind, namespace, body)
        name = data["metadata"]["name"]
        self._check_namespace(kind, namespace, name)
        if self.store.get(kind, namespace, name) is not None:
            raise errors.already_exists(kind, name)
        if kind in (PODS, SPARK_APPLICATIONS):
            data.pop("status", None)
        prepare(kind, data)
        self._ledger.admit(kind, data)
        return self.store.put(kind, data)

    def replace(
        self, kind: Kind, namespace: str, name: str, body: Mapping[str, Any], *, status: bool = False
    ) -> Record:
        """Replace an object, or only its status; a stale ``resourceVersion`` raises 409."""
        _check_shape(kind, body)
        return self.update(kind, namespace, name, lambda _: copy.deepcopy(dict(body)), status=status)

    def update(
        self, kind: Kind, namespace: str, name: str, mutation: Mutation, *, status: bool = False
    ) -> Record:
        """Apply a mutation to the current object; a write that changes nothing is none."""
        record = self.get(kind, namespace, name)
        wanted = mutation(record.data)
        metadata = wanted.get("metadata") or {}
        _check_version(kind, name, metadata.get("resourceVersion"), record)
        _check_uid(kind, name, metadata.get("uid"), record)
        data = _merged(kind, record.data, wanted, status=status)
        if data == record.data:
            return record
        if kind is PODS:
            _check_pod_update(record.data, data)
        if kind is RESOURCE_QUOTAS:
            prepare(kind, data)
        return self.store.put(kind, data)

    def bind(self, namespace: str, name: str, node: str) -> Record:
        """Give a pod its node, as the scheduler does through ``pods/binding``."""
        record = self.get(PODS, namespace, name)
        if record.data["spec"].get("nodeName"):
            why = f'pod {name} is already assigned to node "{record.data["spec"]["nodeName"]}"'
            raise errors.conflict(PODS, f"{name}/binding", why)
        conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp()}]
        return self.store.put(
            PODS,
            {
                **record.data,
                "metadata": dict(record.data["metadata"]),
                "spec": {**record.data["spec"], "nodeName": node},
                "status": {**record.data["status"], "conditions": conditions},
            },
        )

    def delete(self, kind: Kind, namespace: str, name: str, options: Deletion) -> tuple[Record, bool]:
        """Delete an object, or begin to; returns its last version and whether it is gone."""
        record = self.get(kind, namespace, name)
        _check_uid(kind, name, options.uid, record)
        _check_version(kind, name, options.resource_version, record)
        if kind is NAMESPACES:
            return self._terminate_namespace(record), False
        grace = _grace(record.data, options.grace_seconds) if kind is PODS else 0
        if grace == 0:
            return self.store.remove(kind, record), True
        return self._terminate_pod(record, grace), False

    def delete_matching(
        self, kind: Kind, namespace: str, matches: Predicate, options: Deletion
    ) -> list[Record]:
        """Delete every object that matches; returns them."""
        found = [record for record in self.store.all(kind, namespace) if matches(record.data)]
        return [self.delete(kind, *record.key, options)[0] for record in found]

    def remove_namespace(self, name: str) -> None:
        """Drop a terminating namespace whose objects are gone."""
        self.store.remove(NAMESPACES, self.get(NAMESPACES, "", name))

    def _new_object(self, kind: Kind, namespace: str, body: Mapping[str, Any]) -> Data:
        _check_shape(kind, body)
        data = {"apiVersion": kind.api_version, "kind": kind.kind, **copy.deepcopy(dict(body))}
        metadata = data["metadata"] = dict(data.get("metadata") or {})
        name = metadata.get("name") or (
            generated_name(metadata["generateName"]) if metadata.get("generateName") else ""
        )
        check_name(kind, name)
        if kind.namespaced and metadata.get("namespace") not in (None, "", namespace):
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if metadata.get("resourceVersion"):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        metadata |= {"name": name, "uid": metadata.get("uid") if kind is NAMESPACES else None}
        metadata["uid"] = metadata["uid"] or new_uid()
        metadata["creationTimestamp"] = timestamp()
        if kind.namespaced:
            metadata["namespace"] = namespace
        if kind is SPARK_APPLICATIONS:
            metadata["generation"] = 1
        metadata.pop("deletionTimestamp", None)
        return data

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        place = self.get(NAMESPACES, "", namespace)
        if "deletionTimestamp" in place.data["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise errors.forbidden(kind, name, why)

    def _terminate_namespace(self, record: Record) -> Record:
        if "deletionTimestamp" in record.data["metadata"]:
            return record
        metadata = {**record.data["metadata"], "deletionTimestamp": timestamp()}
        return self.store.put(
            NAMESPACES, {**record.data, "metadata": metadata, "status": {"phase": "Terminating"}}
        )

    def _terminate_pod(self, record: Record, grace: int) -> Record:
        metadata = record.data["metadata"]
        if metadata.get("deletionGracePeriodSeconds", grace + 1) <= grace:
            return record
        until = timestamp(current_time() + timedelta(seconds=grace))
        metadata = {**metadata, "deletionTimestamp": until, "deletionGracePeriodSeconds": grace}
        return self.store.put(PODS, {**record.data, "metadata": metadata})


def _check_shape(kind: Kind, body: Mapping[str, Any]) -> None:
    found = (body.get("apiVersion", kind.api_version), body.get("kind", kind.kind))
    if found != (kind.api_version, kind.kind):
        message = f"{found[1]} in version {found[0]!r} cannot be handled as a {kind.kind}"
        raise errors.bad_request(f"{message}: expected {kind.kind} in version {kind.api_version!r}")


def _check_version(kind: Kind, name: str, wanted: str | None, record: Record) -> None:
    if wanted and wanted != str(record.version):
        raise errors.conflict(kind, name, errors.STALE)


def _check_uid(kind: Kind, name: str, wanted: str | None, record: Record) -> None:
    found = record.data["metadata"]["uid"]
    if wanted and wanted != found:
        raise errors.uid_conflict(kind, name, wanted, found)


_IDENTITY = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def _merged(kind: Kind, old: Data, wanted: Data, *, status: bool) -> Data:
    """Keep what a write may not change: identity, and whichever of status and the rest it is not about."""
    if status:
        data = {key: value for key, value in old.items() if key != "status"}
        data |= {"status": wanted["status"]} if "status" in wanted else {}
        metadata = dict(old["metadata"])
    else:
        data = {"apiVersion": kind.api_version, "kind": kind.kind, **wanted}
        metadata = dict(wanted.get("metadata") or {})
        if kind.has_status:
            data.pop("status", None)
            data |= {"status": old["status"]} if "status" in old else {}
    for field in _IDENTITY:
        metadata.pop(field, None)
        metadata |= {field: old["metadata"][field]} if field in old["metadata"] else {}
    metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
    if "generation" in old["metadata"]:
        metadata["generation"] = old["metadata"]["generation"] + (data.get("spec") != old.get("spec"))
    return {**data, "metadata": metadata}


def _check_pod_update(old: Data, new: Data) -> None:
    def fixed(spec: Data) -> Data:
        kept = {key: value for key, value in spec.items() if key not in _MUTABLE_POD_FIELDS}
        for group in ("containers", "initContainers"):
            kept[group] = [{**item, "image": ""} for item in spec.get(group) or ()]
        return kept

    if fixed(old["spec"]) != fixed(new.get("spec") or {}):
        name = old["metadata"]["name"]
        raise errors.invalid(PODS, name, [("spec", _IMMUTABLE_POD_TEXT, "FieldValueForbidden")])


def _grace(pod: Data, asked: int | None) -> int:
    """Return the seconds a pod gets to end; none when nothing runs (kubernetes ``pkg/registry/core/pod``)."""
    if not pod["spec"].get("nodeName") or is_finished(pod):
        return 0
    return pod["spec"]["terminationGracePeriodSeconds"] if asked is None else max(asked, 0)
