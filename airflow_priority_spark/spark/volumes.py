# SPDX-License-Identifier: Apache-2.0
"""The volume claims Spark and Kubernetes make for each pod; a quota on storage counts them.

Spark makes a claim per pod where a volume of its configuration has a storage class and a size, whether
the claim is called ``OnDemand`` or by a name of its own; without either it expects the claim to exist.
Kubernetes makes one per pod for every generic ephemeral volume.

Sources: Spark's ``KubernetesVolumeUtils`` and ``MountVolumesFeatureStep``; the operator's
``sparkpod_defaulter.go`` (``addVolumes``); ``pkg/quota/v1/evaluator/core/persistent_volume_claims.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.scheduling.resources import Resources, format_bytes, parse_amount
from airflow_priority_spark.spark.reading import Reading, Role

STORAGE: Final = "requests.storage"
CLAIMS: Final = "persistentvolumeclaims"
_OF_CLASS: Final = ".storageclass.storage.k8s.io/"
#: A bare number below is refused as one whose unit was forgotten (``KubernetesVolumeUtils.verifySize``).
_LEAST_BYTES: Final = 1024


def volume_claims(reading: Reading, role: Role) -> Resources:
    """Return the quota keys that the claims of one pod charge.

    :raises InvalidInput: naming the setting or volume.
    """
    total = Resources()
    for source, size, storage_class in (*_on_demand(reading, role), *_ephemeral(reading, role)):
        amounts = {STORAGE: size, CLAIMS: 1}
        if storage_class:
            amounts |= {f"{storage_class}{_OF_CLASS}{key}": amount for key, amount in amounts.items()}
        total = total + Resources(amounts)
        reading.explain.append(f"{role} volume claim: {format_bytes(size)} ({source})")
    return total


def _on_demand(reading: Reading, role: Role) -> Iterator[tuple[str, int, str]]:
    prefix = f"spark.kubernetes.{role}.volumes.persistentVolumeClaim."
    settings = reading.conf.prefixed(prefix)
    for name in sorted({key.split(".", 1)[0] for key in settings}):
        size, storage_class, claim = (
            settings.get(f"{name}.options.{option}") for option in ("sizeLimit", "storageClass", "claimName")
        )
        if claim is None:
            raise InvalidManifest(
                f"spec.sparkConf[{prefix}{name}.options.claimName]",
                None,
                "the name of a claim, or OnDemand for one that Spark makes",
            )
        if size is not None:
            _check_unit(str(size.value), size.source)
        if size is not None and storage_class is not None:
            yield size.source, parse_amount(size.value, size.source), str(storage_class.value)
        elif str(claim.value) == "OnDemand":
            reading.warnings.append(
                f"{claim.source}: Spark makes no claim without both storageClass and sizeLimit; "
                "its pods would wait for one that does not exist"
            )


def _check_unit(text: str, source: str) -> None:
    if text.isdecimal() and int(text) < _LEAST_BYTES:
        raise InvalidManifest(source, text, "a quantity of at least 1Ki, such as 100Gi")


def _ephemeral(reading: Reading, role: Role) -> Iterator[tuple[str, int, str]]:
    mounted = {mount.get("name") for mount in reading.fields(role).get("volumeMounts") or []}
    places: list[tuple[str, Mapping[str, Any]]] = [
        (f"spec.{role}.template.spec.volumes", volume)
        for volume in reading.template(role).get("volumes") or []
    ]
    places += [
        ("spec.volumes", volume)
        for volume in reading.spec.get("volumes") or []
        if volume.get("name") in mounted
    ]
    for where, volume in places:
        claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec")
        if claim:
            source = f"{where}[{volume.get('name')}]"
            size = ((claim.get("resources") or {}).get("requests") or {}).get("storage", 0)
            yield source, parse_amount(size, f"{source} storage"), str(claim.get("storageClassName") or "")
