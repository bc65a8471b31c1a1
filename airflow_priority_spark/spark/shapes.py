# SPDX-License-Identifier: Apache-2.0
"""Which fields of a SparkApplication are mappings, lists or strings, as far as its demand is read.

One dash too few makes a list of containers a mapping. The API server would say so after the job has
waited for its turn; here it is said before.

Source: ``api/v1beta2/sparkapplication_types.go``, spark-operator v2.5, and ``k8s.io/api/core/v1/types.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow_priority_spark.errors import InvalidManifest

_RESOURCES: Final[Mapping[str, Any]] = {"requests": {}, "limits": {}}
_CONTAINERS: Final = [{"name": str, "image": str, "restartPolicy": str, "resources": _RESOURCES}]
_TOLERATIONS: Final = [{"key": str, "operator": str, "value": str, "effect": str}]
_EXPRESSIONS: Final = [{"key": str, "operator": str, "values": [str]}]
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_SELECTOR: Final[Mapping[str, Any]] = {"matchLabels": {}, "matchExpressions": _EXPRESSIONS}
_TERMS: Final = [{"labelSelector": _SELECTOR, "namespaceSelector": _SELECTOR}]
_AFFINITY: Final = {
    "nodeAffinity": {
        _REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": _EXPRESSIONS, "matchFields": _EXPRESSIONS}]},
    },
    "podAffinity": {_REQUIRED: _TERMS},
    "podAntiAffinity": {_REQUIRED: _TERMS},
}
_CLAIM: Final = {"spec": {"storageClassName": str, "resources": _RESOURCES}}
_VOLUMES: Final = [{"name": str, "ephemeral": {"volumeClaimTemplate": _CLAIM}}]
_POD: Final = {
    "containers": _CONTAINERS,
    "initContainers": _CONTAINERS,
    "resources": _RESOURCES,
    "overhead": {},
    "runtimeClassName": str,
    "nodeSelector": {},
    "tolerations": _TOLERATIONS,
    "affinity": _AFFINITY,
    "topologySpreadConstraints": [{"labelSelector": _SELECTOR}],
    "volumes": _VOLUMES,
}
_ROLE: Final = {
    "sidecars": _CONTAINERS,
    "initContainers": _CONTAINERS,
    "template": {"spec": _POD},
    "tolerations": _TOLERATIONS,
    "affinity": _AFFINITY,
    "gpu": {},
    "volumeMounts": [{"name": str}],
    "labels": {},
    "annotations": {},
}
#: A mapping stands for a mapping with these fields, a list for a list of such items, ``str`` for a string.
SPEC: Final[Mapping[str, Any]] = {
    "driver": _ROLE,
    "executor": _ROLE,
    "volumes": _VOLUMES,
    "driverIngressOptions": [{}],
    "monitoring": {"prometheus": {}},
}


def check_shapes(value: Any, shape: Any, where: str) -> None:
    """Check that what should be a mapping, a list or a string is one; what is absent is none of them.

    :param shape: ``SPEC``, or a part of it.
    :raises InvalidManifest: naming the field and what it should be.
    """
    if value is None:
        return
    kind, name = _kind(shape)
    if not isinstance(value, kind):
        raise InvalidManifest(where, value, name)
    if isinstance(shape, list):
        for number, item in enumerate(value):
            if item is None:
                # In a list nothing is absent.
                raise InvalidManifest(f"{where}[{number}]", item, _kind(shape[0])[1])
            check_shapes(item, shape[0], f"{where}[{number}]")
    elif isinstance(shape, Mapping):
        for field, part in shape.items():
            check_shapes(value.get(field), part, f"{where}.{field}")


def _kind(shape: Any) -> tuple[Any, str]:
    if isinstance(shape, Mapping):
        return Mapping, "a mapping"
    return (list, "a list") if isinstance(shape, list) else (str, "a string")
