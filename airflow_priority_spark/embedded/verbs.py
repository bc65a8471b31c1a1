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

from airflow_priority_spark.embedded import applying, errors
from airflow_priority_spark.embedded.admission import Admission, tolerate_lost_nodes
from airflow_priority_spark.embedded.application_schema import SPARK_APPLICATION_SCHEMA
from airflow_priority_spark.embedded.defaults import fill_in, fill_in_status, new_pod_status, unknown_fields
from airflow_priority_spark.embedded.kinds import (
    CLAIMS,
    NAMESPACES,
    PODS,
    PRIORITY_CLASSES,
    SPARK_APPLICATIONS,
    Kind,
)
from airflow_priority_spark.embedded.naming import check_name
from airflow_priority_spark.embedded.objects import (
    current_time,
    generated_name,
    is_finished,
    is_terminating,
    new_uid,
    timestamp,
)
from airflow_priority_spark.embedded.quota import QuotaLedger
from airflow_priority_spark.embedded.schemas import Schema, faults, prune
from airflow_priority_spark.embedded.selectors import Predicate
from airflow_priority_spark.embedded.store import Record, Store
from airflow_priority_spark.embedded.updates import check_update, merged
from airflow_priority_spark.embedded.validation import check

Data = dict[str, Any]
Mutation = Callable[[Data], Data]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_POLICY_FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN}
_PROTECTED_CLAIM = "kubernetes.io/pvc-protection"


@dataclass(frozen=True)
class Deletion:
    """``DeleteOptions``.

    :param policy: ``Background`` (also when ``None``), ``Foreground`` or ``Orphan``: what becomes of dependents.
    :param dry_run: answer as if it were done.
    """

    uid: str | None = None
    resource_version: str | None = None
    grace_seconds: int | None = None
    policy: str | None = None
    dry_run: bool = False


class Verbs:
    """Create, read, update and delete objects as the API server does."""

    def __init__(self, store: Store, ledger: QuotaLedger) -> None:
        self.store = store
        self.schemas: dict[Kind, Schema] = {SPARK_APPLICATIONS: SPARK_APPLICATION_SCHEMA}
        self._ledger = ledger
        self._admission = Admission(store)

    def get(self, kind: Kind, namespace: str, name: str) -> Record:
        """Return an object, or raise 404."""
        record = self.store.get(kind, namespace, name)
        if record is None:
            raise errors.not_found(kind, name)
        return record

    def create(
        self,
        kind: Kind,
        namespace: str,
        body: Mapping[str, Any],
        *,
        dry_run: bool = False,
        strict: bool = False,
    ) -> Record:
        """Store a new object; raises 400, 403, 404, 409, 422 or 500.

        :param dry_run: answer as if it were stored.
        :param strict: refuse fields that a custom resource does not know instead of dropping them.
        """
        data = self._new_object(kind, namespace, body)
        name = data["metadata"]["name"]
        self._check_namespace(kind, namespace, name)
        if kind in (PODS, *self.schemas):
            data.pop("status", None)
        data = self._shaped(kind, data, strict=strict)
        fill_in(kind, data)
        self._admission.change(kind, data)
        check(kind, data)
        if kind is PODS:
            data["status"] = new_pod_status(data)
        self._admission.check(kind, data)
        self._ledger.admit(kind, data)
        if self.store.get(kind, namespace, name) is not None:
            raise errors.already_exists(kind, name)
        return Record(data, 0) if dry_run else self.store.put(kind, data)

    def replace(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        status: bool = False,
        dry_run: bool = False,
    ) -> Record:
        """Replace an object, or only its status; a stale ``resourceVersion`` raises 409."""
        _check_shape(kind, body)
        metadata = body.get("metadata") or {}
        _check_same_name(metadata.get("name", name), name)
        record = self.get(kind, namespace, name)
        if kind in self.schemas and not metadata.get("resourceVersion"):
            cause = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
            raise errors.ApiError(422, "Invalid", f'{kind.resource} "{name}" is invalid: {cause}')
        if (uid := metadata.get("uid")) and uid != record.data["metadata"]["uid"]:
            raise errors.storage_conflict(kind, record.key, uid, record.data["metadata"]["uid"])
        return self.update(
            kind, namespace, name, lambda _: copy.deepcopy(dict(body)), status=status, dry_run=dry_run
        )

    def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        mutation: Mutation,
        *,
        status: bool = False,
        dry_run: bool = False,
        applied: bool = False,
    ) -> Record:
        """Apply a mutation to the current object; a write that changes nothing is none."""
        record = self.get(kind, namespace, name)
        wanted = mutation(record.data)
        metadata = wanted.get("metadata") or {}
        _check_same_name(metadata.get("name", name), name)
        _check_version(kind, name, metadata.get("resourceVersion"), record)
        if (uid := metadata.get("uid")) and uid != record.data["metadata"]["uid"]:
            raise errors.uid_conflict(kind, name, uid)
        data = self._shaped(kind, merged(kind, record.data, wanted, status=status))
        if status and kind not in self.schemas:
            fill_in_status(kind, data)
        if data == record.data:
            return record
        if "managedFields" in record.data["metadata"] and not applied:
            data = applying.after_update(record.data, data)
        if not status:
            data = copy.deepcopy(data)
            if kind is not NAMESPACES:
                fill_in(kind, data)
                if kind.has_status and "status" in record.data:
                    data["status"] = record.data["status"]
                if kind is PODS:
                    tolerate_lost_nodes(data["spec"])
            check_update(kind, record.data, data)
            check(kind, data)
        if dry_run:
            return Record(data, record.version)
        if _released(data):
            return self.store.remove(kind, Record(data, record.version))
        return self.store.put(kind, data)

    def apply(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        applied: Any,
        *,
        manager: str,
        force: bool,
        status: bool,
        dry_run: bool,
    ) -> tuple[Record, bool]:
        """Server-side apply; returns the object and whether it is new.

        :param manager: who owns the fields that are applied.
        :param force: take fields from other owners instead of raising 409.
        """
        applying.check_apply(applied, name, manager)
        record = self.store.get(kind, namespace, name)
        if record is None:
            data = applying.apply(
                None,
                {**applied, "metadata": {**(applied.get("metadata") or {}), "name": name}},
                manager,
                force=force,
            )
            return self.create(kind, namespace, data, dry_run=dry_run), True

        def mutation(data: Data) -> Data:
            return applying.apply(data, applied, manager, force=force)

        return self.update(
            kind, namespace, name, mutation, status=status, dry_run=dry_run, applied=True
        ), False

    def bind(self, namespace: str, name: str, node: str) -> Record:
        """Give a pod its node, as the scheduler does through ``pods/binding``."""
        record = self.get(PODS, namespace, name)
        if record.data["spec"].get("nodeName"):
            why = f'pod {name} is already assigned to node "{record.data["spec"]["nodeName"]}"'
            raise errors.binding_conflict(name, why)
        others = [one for one in record.data["status"].get("conditions", ()) if one["type"] != "PodScheduled"]
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(),
        }
        status = {key: value for key, value in record.data["status"].items() if key != "nominatedNodeName"}
        return self.store.put(
            PODS,
            {
                **record.data,
                "metadata": dict(record.data["metadata"]),
                "spec": {**record.data["spec"], "nodeName": node},
                "status": {**status, "conditions": [*others, scheduled]},
            },
        )

    def delete(self, kind: Kind, namespace: str, name: str, options: Deletion) -> tuple[Record, bool]:
        """Delete an object, or begin to; returns its last version and whether it is gone."""
        record = self.get(kind, namespace, name)
        uid = record.data["metadata"]["uid"]
        if options.uid and options.uid != uid:
            raise errors.precondition_failed(kind, name, "UID", options.uid, uid)
        if options.resource_version and options.resource_version != str(record.version):
            version = options.resource_version
            raise errors.precondition_failed(kind, name, "ResourceVersion", version, str(record.version))
        if kind is NAMESPACES:
            return (record if options.dry_run else self._terminate_namespace(record)), False
        grace = _grace(record.data, options.grace_seconds) if kind is PODS else 0
        finalizers = self._finalizers(kind, record.data, options.policy)
        data = _doomed(record.data, finalizers, grace)
        if options.dry_run:
            return Record(data, record.version), not finalizers
        if grace == 0 and not finalizers:
            # Only a pod's last version tells that it was asked to go.
            return self.store.remove(kind, Record(data, record.version) if kind is PODS else record), True
        unchanged = is_terminating(record.data) and data == record.data
        return (record if unchanged else self.store.put(kind, data)), False

    def delete_matching(
        self, kind: Kind, namespace: str, matches: Predicate, options: Deletion
    ) -> list[Record]:
        """Delete every object that matches; returns them."""
        found = [record for record in self.store.all(kind, namespace) if matches(record.data)]
        return [self.delete(kind, *record.key, options)[0] for record in found]

    def remove_namespace(self, name: str) -> None:
        """Drop a terminating namespace whose objects are gone."""
        self.store.remove(NAMESPACES, self.get(NAMESPACES, "", name))

    def _finalizers(self, kind: Kind, data: Data, policy: str | None) -> list[str]:
        """Return the finalizers an object has once it is being deleted."""
        names = list(data["metadata"].get("finalizers") or ())
        if policy is not None:
            names = [name for name in names if name not in (FOREGROUND, ORPHAN)]
        if policy in _POLICY_FINALIZERS:
            names.append(_POLICY_FINALIZERS[policy])
        if kind is CLAIMS and not self._is_mounted(data):
            names = [name for name in names if name != _PROTECTED_CLAIM]
        return names

    def _is_mounted(self, claim: Data) -> bool:
        return any(
            (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim["metadata"]["name"]
            for record in self.store.all(PODS, claim["metadata"]["namespace"])
            if not is_finished(record.data)
            for volume in record.data["spec"].get("volumes") or ()
        )

    def _shaped(self, kind: Kind, data: Data, *, strict: bool = False) -> Data:
        """Prune and check a custom resource as its definition says."""
        if kind not in self.schemas:
            unknown = unknown_fields(kind, data)
            if strict and unknown:
                raise _strict(kind, unknown)
            return {name: value for name, value in data.items() if name not in unknown}
        dropped: list[str] = []
        data = prune(data, self.schemas[kind], dropped)
        if strict and dropped:
            raise _strict(kind, dropped)
        if causes := faults(data, self.schemas[kind]):
            raise errors.invalid(kind, data["metadata"]["name"], causes)
        return data

    def _new_object(self, kind: Kind, namespace: str, body: Mapping[str, Any]) -> Data:
        _check_shape(kind, body, named=kind in self.schemas)
        data = {"apiVersion": kind.api_version, "kind": kind.kind, **copy.deepcopy(dict(body))}
        metadata = data["metadata"] = dict(data.get("metadata") or {})
        name = metadata.get("name") or (
            generated_name(metadata["generateName"]) if metadata.get("generateName") else ""
        )
        if kind.namespaced and metadata.get("namespace") not in (None, "", namespace):
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if metadata.get("resourceVersion"):
            raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")
        if kind.namespaced:
            self.get(NAMESPACES, "", namespace)
        check_name(kind, name)
        metadata |= {"name": name, "uid": metadata.get("uid") if kind is NAMESPACES else None}
        metadata["uid"] = metadata["uid"] or new_uid()
        metadata["creationTimestamp"] = timestamp()
        if kind.namespaced:
            metadata["namespace"] = namespace
        if kind in (PODS, PRIORITY_CLASSES, *self.schemas):
            metadata["generation"] = 1
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(field, None)
        return data

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        place = self.get(NAMESPACES, "", namespace)
        if "deletionTimestamp" in place.data["metadata"]:
            raise errors.namespace_terminating(kind, name, namespace)

    def _terminate_namespace(self, record: Record) -> Record:
        if "deletionTimestamp" in record.data["metadata"]:
            return record
        metadata = {**record.data["metadata"], "deletionTimestamp": timestamp()}
        return self.store.put(
            NAMESPACES, {**record.data, "metadata": metadata, "status": {"phase": "Terminating"}}
        )


def _doomed(data: Data, finalizers: list[str], grace: int) -> Data:
    """Return an object as it is from its deletion on; a longer grace than it has changes nothing."""
    metadata = {key: value for key, value in data["metadata"].items() if key != "finalizers"}
    metadata |= {"finalizers": finalizers} if finalizers else {}
    if metadata.get("deletionGracePeriodSeconds", grace + 1) > grace:
        until = timestamp(current_time() + timedelta(seconds=grace))
        metadata |= {"deletionTimestamp": until, "deletionGracePeriodSeconds": grace}
    return {**data, "metadata": metadata}


def _released(data: Data) -> bool:
    """Whether nothing holds an object any more that is being deleted."""
    metadata = data["metadata"]
    over = is_terminating(data) and metadata.get("deletionGracePeriodSeconds") == 0
    return over and not metadata.get("finalizers")


def _check_shape(kind: Kind, body: Mapping[str, Any], *, named: bool = False) -> None:
    version, name = body.get("apiVersion") or "", body.get("kind") or ""
    if named and not (version and name):
        missing = "Kind" if not name else "apiVersion"
        raise errors.bad_request(f"Object '{missing}' is missing in '{body.get('metadata')}'")
    if named and version != kind.api_version and name == kind.kind:
        raise errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
        )
    if (version or kind.api_version, name or kind.kind) != (kind.api_version, kind.kind):
        found, wanted = version.rpartition("/")[2], kind.group or "core"
        head = f'{name} in version "{found}" cannot be handled as a {kind.kind}'
        raise errors.bad_request(
            f"{head}: converting ({found}.{name}) to ({wanted}.{kind.kind}): unknown conversion"
        )


def _strict(kind: Kind, paths: list[str]) -> errors.ApiError:
    listed = ", ".join(f'unknown field "{path}"' for path in paths)
    head = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
    return errors.bad_request(f"{head}: strict decoding error: {listed}")


def _check_same_name(found: str, name: str) -> None:
    if found != name:
        why = f"the name of the object ({found}) does not match the name on the URL ({name})"
        raise errors.bad_request(why)


def _check_version(kind: Kind, name: str, wanted: str | None, record: Record) -> None:
    if wanted and wanted != str(record.version):
        raise errors.conflict(kind, name, errors.STALE)


def _grace(pod: Data, asked: int | None) -> int:
    """Return the seconds a pod gets to end; none when nothing runs (kubernetes ``pkg/registry/core/pod``)."""
    if not pod["spec"].get("nodeName") or is_finished(pod):
        return 0
    return pod["spec"]["terminationGracePeriodSeconds"] if asked is None else max(asked, 0)
