# SPDX-License-Identifier: Apache-2.0
"""From what the stock operator accepts to one plain SparkApplication manifest.

The stock provider lets authors write ``container_resources`` instead of Spark's fields, and keep
volumes, environment and placement in a separate ``kubernetes`` section. DAGs use that, so we take it;
but where the stock conversion loses something (a CPU of 0.5 became 0), the value is kept.

Source: ``custom_object_launcher.py`` (``SparkResources``, ``KubernetesSpec``, ``get_body``) of
apache-airflow-providers-cncf-kubernetes.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.scheduling.resources import parse_cpu_millis
from airflow_priority_spark.spark.shapes import check_shapes

ROLES: Final = ("driver", "executor")
#: The stock launcher takes a container's limit and leaves room for the overhead Spark adds to it.
_OVERHEAD_OF_LIMIT: Final = 1.4
#: What the stock ``KubernetesSpec`` reads without asking whether it is there.
_LISTS: Final = ("volumes", "volume_mounts", "env_from", "tolerations")
_MAPPINGS: Final = ("node_selector", "config_map_mounts")
_SCALARS: Final = (
    "env_vars",
    "image_pull_secrets",
    "config_map_mounts",
    "from_env_config_map",
    "from_env_secret",
    "affinity",
    "node_selector",
)
#: In the stock provider's template, though only a ScheduledSparkApplication has them; the API server drops
#: them without a word.
_OF_SCHEDULES: Final = ("successfulRunHistoryLimit", "failedRunHistoryLimit")
_STOCK_MEMORY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(Gi?|Mi?|m)?")


def render_manifest(
    template_body: Mapping[str, Any], *, image: str | None = None, code_path: str | None = None
) -> Any:
    """Return the SparkApplication a template body describes, as a copy.

    :param template_body: what ``manage_template_specs`` returns: ``spark`` and perhaps ``kubernetes``.
    :param image: replaces ``spec.image``.
    :param code_path: replaces ``spec.mainApplicationFile``.
    :raises InvalidManifest: for ``container_resources`` that are no amounts.
    """
    body = copy.deepcopy(template_body["spark"])
    if not isinstance(body, dict) or not isinstance(body.get("spec"), dict):
        return body
    group, version = body.pop("apiGroup", None), body.pop("version", None)
    if "apiVersion" not in body and group and version:
        body["apiVersion"] = f"{group}/{version}"
    body.pop("status", None)
    spec = body["spec"]
    for name in _OF_SCHEDULES:
        spec.pop(name, None)
    labels = spec.pop("labels", None) or {}
    for role in ROLES:
        fields = spec.setdefault(role, {})
        if not isinstance(fields, dict):
            continue
        _container_resources(fields, role)
        if labels:
            fields["labels"] = {**labels, **(fields.get("labels") or {})}
    if template_body.get("kubernetes"):
        _kubernetes_section(spec, template_body["kubernetes"])
    if image:
        spec["image"] = image
    if code_path:
        spec["mainApplicationFile"] = code_path
    return body


def _container_resources(fields: dict[str, Any], role: str) -> None:
    """Turn ``container_resources`` (cpu, memory, gpu) into Spark's fields."""
    resources = fields.pop("container_resources", None)
    if not resources:
        return
    where = f"spec.{role}.container_resources"
    check_shapes(resources, {"cpu": {}, "memory": {}, "gpu": {}}, where)
    cpu, memory, gpu = (resources.get(name) or {} for name in ("cpu", "memory", "gpu"))
    if cpu.get("request"):
        millis = parse_cpu_millis(cpu["request"], f"{where}.cpu.request")
        if millis % 1000:
            fields["coreRequest"] = str(cpu["request"])
        else:
            fields["cores"] = millis // 1000
    if cpu.get("limit"):
        fields["coreLimit"] = str(cpu["limit"])
    if memory.get("limit"):
        fields["memory"] = f"{int(_mebibytes(memory['limit'], where) / _OVERHEAD_OF_LIMIT)}m"
    if gpu.get("name") and gpu.get("quantity"):
        quantity = str(gpu["quantity"])
        fields["gpu"] = {"name": gpu["name"], "quantity": int(quantity) if quantity.isdecimal() else quantity}


def _mebibytes(text: Any, where: str) -> float:
    match = _STOCK_MEMORY.fullmatch(str(text).strip())
    if match is None:
        raise InvalidManifest(f"{where}.memory.limit", text, "a number of Mi, M, m, Gi or G, such as 4Gi")
    return float(match[1]) * (1024 if (match[2] or "").startswith("G") else 1)


def _kubernetes_section(spec: dict[str, Any], section: Mapping[str, Any]) -> None:
    """Put the ``kubernetes`` section's volumes, environment and placement where the operator reads them."""
    from kubernetes.client import ApiClient

    read = _read_section(section)
    plain = ApiClient().sanitize_for_serialization
    if read.volumes:
        spec["volumes"] = [*(spec.get("volumes") or []), *plain(read.volumes)]
    if read.image_pull_secrets:
        spec["imagePullSecrets"] = [secret["name"] for secret in plain(read.image_pull_secrets)]
    for role in ROLES:
        fields = spec[role]
        for name, added in (
            ("env", read.env_vars),
            ("envFrom", read.env_from),
            ("volumeMounts", read.volume_mounts),
            ("tolerations", read.tolerations),
        ):
            if added:
                fields[name] = [*(fields.get(name) or []), *plain(added)]
        if read.affinity:
            fields["affinity"] = plain(read.affinity)
        if read.node_selector:
            fields["nodeSelector"] = {**(fields.get("nodeSelector") or {}), **read.node_selector}


def _read_section(section: Mapping[str, Any]) -> Any:
    """Let the stock provider read the section, entry by entry, so that a wrong one can be named.

    :raises InvalidManifest: naming the entry.
    """
    from airflow.providers.cncf.kubernetes.operators.custom_object_launcher import KubernetesSpec
    from airflow.sdk.exceptions import AirflowException

    check_shapes(section, {name: {} for name in _MAPPINGS}, "kubernetes")
    given = {name: value for name, value in section.items() if value is not None}
    unset: dict[str, Any] = dict.fromkeys(_SCALARS) | {name: [] for name in _LISTS}
    for name, value in given.items():
        if name in _LISTS and not isinstance(value, list):
            raise InvalidManifest(f"kubernetes.{name}", value, "a list")
        try:
            KubernetesSpec(**copy.deepcopy({**unset, name: value}))
        except (AirflowException, TypeError, ValueError, AttributeError) as error:
            raise InvalidManifest(
                f"kubernetes.{name}", value, f"what the stock provider takes there; it says {error}"
            ) from None
    return KubernetesSpec(**copy.deepcopy({**unset, **given}))
