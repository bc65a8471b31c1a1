# SPDX-License-Identifier: Apache-2.0
"""The SparkApplication itself: is it one we can run, and what we add to it.

The API server drops a field it does not know without a word, and ``memroy: 8g`` becomes 1 GiB. So a
manifest is checked before anything is queued for it, and a name that is nearly right is suggested.
Sizes are checked where they are computed (``demand``), the rest here.

Source of the fields: ``api/v1beta2/sparkapplication_types.go``, spark-operator v2.5.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.spark.conf import SparkConf
from airflow_priority_spark.spark.demand import DEFAULT_EXECUTORS
from airflow_priority_spark.spark.fields import DRIVER, DYNAMIC_ALLOCATION, EXECUTOR, RESTART_POLICY, SPEC
from airflow_priority_spark.spark.names import MAX_EXECUTOR_PREFIX, check_name
from airflow_priority_spark.spark.shapes import SPEC as SHAPES
from airflow_priority_spark.spark.shapes import check_shapes

API_VERSION: Final = "sparkoperator.k8s.io/v1beta2"
GROUP: Final = "sparkoperator.k8s.io"
VERSION: Final = "v1beta2"
PLURAL: Final = "sparkapplications"
KIND: Final = "SparkApplication"

_TYPES: Final = ("Java", "Python", "Scala", "R")
_MODES: Final = ("cluster", "client")
_RESTARTS: Final = ("Never", "OnFailure", "Always")
_PARTS: Final = (
    ("driver", DRIVER),
    ("executor", EXECUTOR),
    ("dynamicAllocation", DYNAMIC_ALLOCATION),
    ("restartPolicy", RESTART_POLICY),
)


def validate_manifest(manifest: Any) -> None:
    """Check that this is a SparkApplication whose fields all exist.

    :raises InvalidManifest: naming the field, the value and what is allowed.
    """
    if not isinstance(manifest, Mapping):
        raise InvalidManifest("manifest", manifest, "a mapping with apiVersion, kind, metadata and spec")
    _one_of("apiVersion", manifest.get("apiVersion"), (API_VERSION,))
    _one_of("kind", manifest.get("kind"), (KIND,))
    _mapping(manifest, "metadata", "metadata")
    if not isinstance(manifest.get("spec"), Mapping) or not manifest["spec"]:
        raise InvalidManifest(
            "spec", manifest.get("spec"), "a mapping with at least type and mainApplicationFile"
        )
    spec = manifest["spec"]
    _known_fields(spec, SPEC, "spec")
    for name, known in _PARTS:
        _known_fields(_mapping(spec, name, f"spec.{name}"), known, f"spec.{name}")
    check_shapes(spec, SHAPES, "spec")
    _choices(spec)
    _names(manifest)
    _settings(spec)
    _selectors(spec)


def prepare(
    manifest: Mapping[str, Any],
    *,
    name: str,
    namespace: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
) -> dict[str, Any]:
    """Return the SparkApplication to create; the argument stays as it is.

    The labels go on the application and on its pods; ``restartPolicy`` is ``Never`` unless the author
    chose one (Airflow retries); a number of executors that nobody named is written down, so that what
    was reserved is what is created.

    :param name: of the application, see ``identity.application_name``.
    :param labels: see ``identity.job_labels``.
    """
    body = copy.deepcopy(dict(manifest))
    metadata = body["metadata"] = dict(body.get("metadata") or {})
    metadata.pop("generateName", None)
    metadata.update(name=name, namespace=namespace)
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    spec = body["spec"]
    for role in ("driver", "executor"):
        fields = spec[role] = dict(spec.get(role) or {})
        fields["labels"] = {**(fields.get("labels") or {}), **labels}
    policy = spec["restartPolicy"] = dict(spec.get("restartPolicy") or {})
    policy.setdefault("type", "Never")
    conf = SparkConf(spec)
    if conf.get("spark.executor.instances") is None and not conf.flag("spark.dynamicAllocation.enabled"):
        spec["executor"]["instances"] = DEFAULT_EXECUTORS
    return body


def _choices(spec: Mapping[str, Any]) -> None:
    _one_of("spec.type", spec.get("type"), _TYPES)
    if spec.get("mode") is not None:
        _one_of("spec.mode", spec["mode"], _MODES)
    restart = (spec.get("restartPolicy") or {}).get("type")
    if restart is not None:
        _one_of("spec.restartPolicy.type", restart, _RESTARTS)
    for field, example in (("mainApplicationFile", "local:///opt/app/main.py"), ("sparkVersion", "4.0.1")):
        value = spec.get(field)
        if not isinstance(value, str) or not value.strip():
            raise InvalidManifest(f"spec.{field}", value, f'a string, such as "{example}"')


def _names(manifest: Mapping[str, Any]) -> None:
    """Refuse names that are too long for the pods, services and labels made from them."""
    spec = manifest["spec"]
    conf = _mapping(spec, "sparkConf", "spec.sparkConf")
    pod, prefix = "spark.kubernetes.driver.pod.name", "spark.kubernetes.executor.podNamePrefix"
    check_name("metadata.name", (manifest.get("metadata") or {}).get("name"))
    check_name("spec.driver.podName", (spec.get("driver") or {}).get("podName"))
    check_name(f"spec.sparkConf[{pod}]", conf.get(pod))
    check_name(f"spec.sparkConf[{prefix}]", conf.get(prefix), MAX_EXECUTOR_PREFIX)


def _settings(spec: Mapping[str, Any]) -> None:
    """Refuse an unquoted number, as the API server would: these are maps of strings."""
    for name in ("sparkConf", "hadoopConf"):
        for key, value in _mapping(spec, name, f"spec.{name}").items():
            if not isinstance(value, str):
                raise InvalidManifest(f"spec.{name}[{key}]", value, "a string: put it in quotes")


def _selectors(spec: Mapping[str, Any]) -> None:
    """Refuse selectors on both levels, as the operator does (``sparkapplication_validator.go``)."""
    _mapping(spec, "nodeSelector", "spec.nodeSelector")
    for role in ("driver", "executor"):
        selector = _mapping(spec.get(role) or {}, "nodeSelector", f"spec.{role}.nodeSelector")
        if selector and spec.get("nodeSelector"):
            raise InvalidManifest(
                f"spec.{role}.nodeSelector", dict(selector), "either spec.nodeSelector or this, not both"
            )


def _known_fields(fields: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for name in fields:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidManifest(
                f"{where}.{name}", fields[name], f"only fields of SparkApplication v1beta2{hint}"
            )


def _mapping(fields: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidManifest(where, value, "a mapping")
    return value


def _one_of(field: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidManifest(field, value, ", ".join(allowed))
