# SPDX-License-Identifier: Apache-2.0
"""What a driver or executor pod carries besides Spark's own container.

Sidecars and init containers come from the manifest's ``sidecars``/``initContainers`` and from the pod
template; node selectors and tolerations from both and from Spark's configuration. The scheduler and
the quota controller count all of them.

Source of the pod formula: ``k8s.io/component-helpers/resource/helpers.go`` (``PodRequests``): the sum
of all containers and restartable init containers, or the largest init container together with the
restartable ones started before it, whichever is greater.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from airflow_priority_spark.errors import InvalidManifest, InvalidQuantity
from airflow_priority_spark.scheduling.model import NO_RESOURCES, Toleration
from airflow_priority_spark.scheduling.resources import CPU, MEMORY, Resources
from airflow_priority_spark.spark.conf import SparkConf

Role = Literal["driver", "executor"]
_SPARKS_OWN: Final = (CPU, MEMORY)


@dataclass(frozen=True, slots=True)
class _Amounts:
    requests: Resources = NO_RESOURCES
    limits: Resources = NO_RESOURCES

    def plus(self, other: _Amounts) -> _Amounts:
        return _Amounts(self.requests + other.requests, self.limits + other.limits)

    def at_least(self, other: _Amounts) -> _Amounts:
        return _Amounts(self.requests.maximum(other.requests), self.limits.maximum(other.limits))


def pod_amounts(
    main: tuple[Resources, Resources], spec: Mapping[str, Any], role: Role, conf: SparkConf
) -> tuple[Resources, Resources]:
    """Return requests and limits of one whole pod.

    :param main: requests and limits of Spark's container.
    :param spec: the ``spec`` of the SparkApplication.
    :raises InvalidQuantity: naming the container's resource.
    """
    fields = spec.get(role) or {}
    template = _template(fields)
    where = f"spec.{role}"
    own, others = _split(template, conf, role)
    total = _Amounts(*main).plus(_without_sparks_own(_container(own, f"{where}.template.spec.containers")))
    for container in [*(fields.get("sidecars") or []), *others]:
        total = total.plus(_container(container, f"{where}.sidecars"))
    restartable, peak = _Amounts(), _Amounts()
    for container in [*(fields.get("initContainers") or []), *(template.get("initContainers") or [])]:
        amounts = _container(container, f"{where}.initContainers")
        if container.get("restartPolicy") == "Always":
            restartable = restartable.plus(amounts)
            peak = peak.at_least(restartable)
        else:
            peak = peak.at_least(restartable.plus(amounts))
    whole = total.plus(restartable).at_least(peak)
    return whole.requests, whole.limits


def node_selector(spec: Mapping[str, Any], role: Role, conf: SparkConf) -> tuple[tuple[str, str], ...]:
    """Return the labels a node must carry for this pod."""
    fields = spec.get(role) or {}
    selector = {
        str(name): str(value) for name, value in (_template(fields).get("nodeSelector") or {}).items()
    }
    for prefix in ("spark.kubernetes.node.selector.", f"spark.kubernetes.{role}.node.selector."):
        selector.update({name: str(setting.value) for name, setting in conf.prefixed(prefix).items()})
    selector.update({str(name): str(value) for name, value in (fields.get("nodeSelector") or {}).items()})
    return tuple(sorted(selector.items()))


def tolerations(spec: Mapping[str, Any], role: Role) -> tuple[Toleration, ...]:
    """Return the taints this pod tolerates.

    :raises InvalidManifest: naming the toleration whose operator is unknown.
    """
    fields = spec.get(role) or {}
    found = []
    for entry in [*(_template(fields).get("tolerations") or []), *(fields.get("tolerations") or [])]:
        operator = entry.get("operator") or "Equal"
        if operator not in ("Exists", "Equal"):
            raise InvalidManifest(f"spec.{role}.tolerations.operator", operator, "Exists or Equal")
        text = {name: str(entry.get(name) or "") for name in ("key", "value", "effect")}
        checked = cast("Literal['Exists', 'Equal']", operator)
        found.append(Toleration(text["key"], checked, text["value"], text["effect"]))
    return tuple(found)


def _template(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return (fields.get("template") or {}).get("spec") or {}


def _split(
    template: Mapping[str, Any], conf: SparkConf, role: Role
) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """Separate Spark's container of a template from its sidecars: by the configured name, else the first."""
    containers = list(template.get("containers") or [])
    setting = conf.get(f"spark.kubernetes.{role}.podTemplateContainerName")
    named = [item for item in containers if setting and item.get("name") == setting.value]
    own = (named or containers or [{}])[0]
    return own, [item for item in containers if item is not own]


def _container(container: Mapping[str, Any], where: str) -> _Amounts:
    """Read a container's resources; a request that is not given is its limit, as the API server sets it."""
    resources = container.get("resources") or {}
    try:
        limits = Resources.parse(resources.get("limits") or {})
        requests = Resources.parse({**(resources.get("limits") or {}), **(resources.get("requests") or {})})
    except InvalidQuantity as error:
        raise InvalidQuantity(f"{where}.resources.{error.field}", error.value, error.allowed) from None
    return _Amounts(requests, limits)


def _without_sparks_own(amounts: _Amounts) -> _Amounts:
    def keep(resources: Resources) -> Resources:
        return Resources({name: amount for name, amount in resources.items() if name not in _SPARKS_OWN})

    return _Amounts(keep(amounts.requests), keep(amounts.limits))
