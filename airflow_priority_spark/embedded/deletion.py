# SPDX-License-Identifier: Apache-2.0
"""How objects go: grace for pods, finalizers for whoever wants a last word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_priority_spark.embedded.kinds import CLAIMS, CUSTOM_RESOURCE_DEFINITIONS, PODS, Kind
from airflow_priority_spark.embedded.objects import current_time, is_finished, is_terminating, timestamp
from airflow_priority_spark.embedded.store import Store

Data = dict[str, Any]
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_POLICY_FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN}
PROTECTED_CLAIM = "kubernetes.io/pvc-protection"
# Put on a definition that is being deleted until the objects of its kind are gone.
CUSTOM_RESOURCE_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


@dataclass(frozen=True)
class Deletion:
    """``DeleteOptions``.

    :param policy: ``Background`` (also when ``None``), ``Foreground`` or ``Orphan``: what becomes of the
        dependents.
    :param dry_run: answer as if it were done.
    """

    uid: str | None = None
    resource_version: str | None = None
    grace_seconds: int | None = None
    policy: str | None = None
    dry_run: bool = False


def doomed(store: Store, kind: Kind, data: Data, options: Deletion) -> Data:
    """Return an object as it is from its deletion on; a longer grace than it has changes nothing."""
    grace = _grace(data, options.grace_seconds) if kind is PODS else 0
    finalizers = _finalizers(store, kind, data, options.policy)
    metadata = {key: value for key, value in data["metadata"].items() if key != "finalizers"}
    metadata |= {"finalizers": finalizers} if finalizers else {}
    if metadata.get("deletionGracePeriodSeconds", grace + 1) > grace:
        until = timestamp(current_time() + timedelta(seconds=grace))
        metadata |= {"deletionTimestamp": until, "deletionGracePeriodSeconds": grace}
    return {**data, "metadata": metadata}


def is_released(data: Data) -> bool:
    """Whether nothing holds an object any more that is being deleted."""
    metadata = data["metadata"]
    over = is_terminating(data) and metadata.get("deletionGracePeriodSeconds") == 0
    return over and not metadata.get("finalizers")


def _grace(pod: Data, asked: int | None) -> int:
    """Return the seconds a pod gets to end; none when nothing runs (kubernetes ``pkg/registry/core/pod``)."""
    if not pod["spec"].get("nodeName") or is_finished(pod):
        return 0
    return pod["spec"]["terminationGracePeriodSeconds"] if asked is None else max(asked, 0)


def _finalizers(store: Store, kind: Kind, data: Data, policy: str | None) -> list[str]:
    """Return the finalizers an object has once it is being deleted."""
    names = list(data["metadata"].get("finalizers") or ())
    if policy is not None:
        names = [name for name in names if name not in (FOREGROUND, ORPHAN)]
    if policy in _POLICY_FINALIZERS:
        names.append(_POLICY_FINALIZERS[policy])
    if kind is CLAIMS and not is_mounted(store, data):
        names = [name for name in names if name != PROTECTED_CLAIM]
    if kind is CUSTOM_RESOURCE_DEFINITIONS and CUSTOM_RESOURCE_CLEANUP not in names:
        names.append(CUSTOM_RESOURCE_CLEANUP)
    return names


def is_mounted(store: Store, claim: Data) -> bool:
    """Whether a pod that has not ended names a claim."""
    return any(
        (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim["metadata"]["name"]
        for record in store.all(PODS, claim["metadata"]["namespace"])
        if not is_finished(record.data)
        for volume in record.data["spec"].get("volumes") or ()
    )
