# SPDX-License-Identifier: Apache-2.0
"""Which fields of a SparkApplication are mappings and which are lists, as far as its demand is read.

One dash too few makes a list of containers a mapping. The API server would say so after the job has
waited for its turn; here it is said before.

Source: ``api/v1beta2/sparkapplication_types.go``, spark-operator v2.5, and ``k8s.io/api/core/v1/types.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow_priority_spark.errors import InvalidManifest

_RESOURCES: Final[Mapping[str, Any]] = {"requests": {}, "limits": {}}
_CONTAINERS: Final = [{"resources": _RESOURCES}]
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_SELECTOR: Final[Mapping[str, Any]] = {"matchLabels": {}, "matchExpressions": [{}]}
_TERMS: Final = [{"labelSelector": _SELECTOR, "namespaceSelector": _SELECTOR}]
_AFFINITY: Final = {
    "nodeAffinity": {
        _REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{}], "matchFields": [{}]}]},
    },
    "podAffinity": {_REQUIRED: _TERMS},
    "podAntiAffinity": {_REQUIRED: _TERMS},
}
_VOLUMES: Final = [{"ephemeral": {"volumeClaimTemplate": {"spec": {"resources": _RESOURCES}}}}]
_POD: Final = {
    "containers": _CONTAINERS,
    "initContainers": _CONTAINERS,
    "resources": _RESOURCES,
    "overhead": {},
    "nodeSelector": {},
    "tolerations": [{}],
    "affinity": _AFFINITY,
    "topologySpreadConstraints": [{"labelSelector": _SELECTOR}],
    "volumes": _VOLUMES,
}
_ROLE: Final = {
    "sidecars": _CONTAINERS,
    "initContainers": _CONTAINERS,
    "template": {"spec": _POD},
    "tolerations": [{}],
    "affinity": _AFFINITY,
    "gpu": {},
    "volumeMounts": [{}],
    "labels": {},
    "annotations": {},
}
#: A mapping stands for a mapping with these fields, a list for a list of such items.
SPEC: Final[Mapping[str, Any]] = {
    "driver": _ROLE,
    "executor": _ROLE,
    "volumes": _VOLUMES,
    "driverIngressOptions": [{}],
    "monitoring": {"prometheus": {}},
}


def check_shapes(value: Any, shape: Any, where: str) -> None:
    """Check that what should be a mapping or a list is one; what is absent is neither.

    :param shape: ``SPEC``, or a part of it.
    :raises InvalidManifest: naming the field and what it should be.
    """
    if value is None:
        return
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise InvalidManifest(where, value, "a list")
        for number, item in enumerate(value):
            check_shapes({} if item is None else item, shape[0], f"{where}[{number}]")
    else:
        if not isinstance(value, Mapping):
            raise InvalidManifest(where, value, "a mapping")
        for name, part in shape.items():
            check_shapes(value.get(name), part, f"{where}.{name}")
