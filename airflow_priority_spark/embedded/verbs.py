# SPDX-License-Identifier: Apache-2.0
"""What the API server does with a request: the verbs, over the store.

Each verb runs without a pause, so that checking a quota and storing the pod is one step: two creations can
never both see the same room.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from airflow_priority_spark.embedded import applying, errors
from airflow_priority_spark.embedded.admission import Admission, tolerate_lost_nodes
from airflow_priority_spark.embedded.bodies import (
    check_same_name,
    check_shape,
    check_version,
    defined,
    new_object,
)
from airflow_priority_spark.embedded.catalog import Catalog
from airflow_priority_spark.embedded.defaults import fill_in, fill_in_status, new_pod_status
from airflow_priority_spark.embedded.deletion import Deletion, doomed, is_released
from airflow_priority_spark.embedded.field_types import Schema, type_of, with_metadata
from airflow_priority_spark.embedded.kinds import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, PODS, Kind
from airflow_priority_spark.embedded.objects import is_terminating, timestamp
from airflow_priority_spark.embedded.quota import QuotaLedger
from airflow_priority_spark.embedded.selectors import Predicate
from airflow_priority_spark.embedded.store import Record, Store
from airflow_priority_spark.embedded.updates import check_update, merged
from airflow_priority_spark.embedded.validation import check

Data = dict[str, Any]
Mutation = Callable[[Data], Data]


class Verbs:
    """Create, read, update and delete objects as the API server does."""

    def __init__(self, store: Store, ledger: QuotaLedger, catalog: Catalog) -> None:
        self.store = store
        self.catalog = catalog
        self._ledger = ledger
        self._admission = Admission(store)

    def get(self, kind: Kind, namespace: str, name: str) -> Record:
        """Return an object, or raise 404."""
        record = self.store.get(kind, namespace, name)
        if record is None:
            raise errors.not_found(kind, name)
        return record

    def create(self, kind: Kind, namespace: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Record:
        """Store a new object; raises 400, 403, 404, 409, 422 or 500.

        :param dry_run: answer as if it were stored.
        """
        custom = self.is_custom(kind)
        if kind.namespaced:
            self.get(NAMESPACES, "", namespace)
        data = new_object(kind, namespace, body, custom=custom)
        name = data["metadata"]["name"]
        self._check_place(kind, namespace, name)
        if kind is PODS or (custom and kind.has_status):
            data.pop("status", None)
        data = defined(self.catalog, kind, data)
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
        manager: str = applying.UPDATER,
    ) -> Record:
        """Replace an object, or only its status; a stale ``resourceVersion`` raises 409."""
        custom = self.is_custom(kind)
        check_shape(kind, body, custom=custom)
        metadata = body.get("metadata") or {}
        check_same_name(metadata.get("name", name), name)
        record = self.get(kind, namespace, name)
        if custom and not metadata.get("resourceVersion"):
            cause = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
            raise errors.ApiError(422, "Invalid", f'{kind.resource} "{name}" is invalid: {cause}')
        if (uid := metadata.get("uid")) and uid != record.data["metadata"]["uid"]:
            raise errors.storage_conflict(kind, record.key, uid, record.data["metadata"]["uid"])
        return self.update(
            kind,
            namespace,
            name,
            lambda _: copy.deepcopy(dict(body)),
            status=status,
            dry_run=dry_run,
            manager=manager,
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
        manager: str | None = applying.UPDATER,
    ) -> Record:
        """Apply a mutation to the current object; a write that changes nothing is none.

        :param manager: who owns the fields that change, where that is kept; ``None`` when the mutation has
            seen to it.
        """
        record = self.get(kind, namespace, name)
        wanted = mutation(record.data)
        metadata = wanted.get("metadata") or {}
        check_same_name(metadata.get("name", name), name)
        check_version(kind, name, metadata.get("resourceVersion"), record)
        if (uid := metadata.get("uid")) and uid != record.data["metadata"]["uid"]:
            raise errors.uid_conflict(kind, name, uid)
        data = defined(self.catalog, kind, merged(kind, record.data, wanted, status=status))
        if status and not self.is_custom(kind):
            fill_in_status(kind, data)
        if data == record.data:
            return record
        if "managedFields" in record.data["metadata"] and manager is not None:
            data = applying.after_update(record.data, data, manager, self._type(kind))
        if not status:
            data = _checked_update(kind, record.data, data)
        if dry_run:
            return Record(data, record.version)
        if is_released(data):
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
        schema = self._type(kind)
        applying.check_apply(applied, name, manager, schema)
        record = self.store.get(kind, namespace, name)
        if record is None:
            named = {**applied, "metadata": {**(applied.get("metadata") or {}), "name": name}}
            data = applying.apply(None, named, manager, schema, force=force)
            return self.create(kind, namespace, data, dry_run=dry_run), True

        def mutation(data: Data) -> Data:
            return applying.apply(data, applied, manager, schema, force=force)

        return self.update(
            kind, namespace, name, mutation, status=status, dry_run=dry_run, manager=None
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
        data = doomed(self.store, kind, record.data, options)
        held = data["metadata"].get("finalizers")
        if options.dry_run:
            return Record(data, record.version), not held
        if not held and data["metadata"]["deletionGracePeriodSeconds"] == 0:
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

    def is_custom(self, kind: Kind) -> bool:
        """Whether a definition describes a kind, and not this program."""
        return self.catalog.definition(kind) is not None

    def _type(self, kind: Kind) -> Schema:
        """Return what fields a kind has."""
        definition = self.catalog.definition(kind)
        return type_of(kind) if definition is None else with_metadata(definition.schema)

    def _check_place(self, kind: Kind, namespace: str, name: str) -> None:
        """Raise ``ApiError`` 403 where nothing new may be created any more."""
        definition = self.catalog.definition(kind)
        if definition is not None and definition.closing:
            why = "create not allowed while custom resource definition is terminating"
            raise errors.forbidden(kind, name, why)
        if kind.namespaced and is_terminating(self.get(NAMESPACES, "", namespace).data):
            raise errors.namespace_terminating(kind, name, namespace)

    def _terminate_namespace(self, record: Record) -> Record:
        if is_terminating(record.data):
            return record
        metadata = {**record.data["metadata"], "deletionTimestamp": timestamp()}
        return self.store.put(
            NAMESPACES, {**record.data, "metadata": metadata, "status": {"phase": "Terminating"}}
        )


def _checked_update(kind: Kind, before: Data, after: Data) -> Data:
    """Complete and check what becomes of an object; its status is not written with the rest."""
    data = copy.deepcopy(after)
    if kind not in (NAMESPACES, CUSTOM_RESOURCE_DEFINITIONS):
        fill_in(kind, data)
    if kind.has_status and "status" in before:
        data["status"] = before["status"]
    if kind is PODS:
        tolerate_lost_nodes(data["spec"])
    check_update(kind, before, data)
    check(kind, data)
    return data
