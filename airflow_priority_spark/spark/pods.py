# SPDX-License-Identifier: Apache-2.0
"""A whole driver or executor pod: Spark's container and everything beside it.

Sidecars and init containers come from the pod template and from the manifest's ``sidecars`` and
``initContainers``; the scheduler and the quota controller count all of them. In Spark's own container a
template's CPU and memory are overwritten, and the rest of its resources stays.

Sources: Spark's ``KubernetesUtils.selectSparkContainer`` and the ``editOrNewResources`` of
``BasicDriverFeatureStep``/``BasicExecutorFeatureStep``; the operator's ``submission.go``
(``driverPodTemplateOption`` names Spark's container) and ``sparkpod_defaulter.go``
(``addSidecarContainers``, ``addInitContainers``); ``k8s.io/component-helpers/resource/helpers.go``
(``PodRequests``, ``PodLimits``): the sum of all containers and restartable init containers, or the largest
init container together with the restartable ones started before it, whichever is greater, plus overhead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from airflow_priority_spark.errors import InvalidManifest, InvalidQuantity
from airflow_priority_spark.scheduling.model import NO_RESOURCES, Container
from airflow_priority_spark.scheduling.resources import CPU, MEMORY, Resources, format_amount
from airflow_priority_spark.spark import sizing
from airflow_priority_spark.spark.reading import Reading, Role

#: How the operator tells Spark which container of a template is Spark's; ``sparkConf`` cannot change it.
MAIN_CONTAINER: Final = {"driver": "spark-kubernetes-driver", "executor": "spark-kubernetes-executor"}

Overheads = Mapping[str, Resources]
_Container = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Amounts:
    """Requests and limits, of a container or of a pod.

    :param containers: of a pod that is more than Spark's container alone, for limit ranges.
    """

    requests: Resources = NO_RESOURCES
    limits: Resources = NO_RESOURCES
    containers: tuple[Container, ...] = ()

    def plus(self, other: Amounts) -> Amounts:
        """Return the sums."""
        return Amounts(self.requests + other.requests, self.limits + other.limits)

    def at_least(self, other: Amounts) -> Amounts:
        """Return the greater of each."""
        return Amounts(self.requests.maximum(other.requests), self.limits.maximum(other.limits))


def pod_amounts(reading: Reading, role: Role, overheads: Overheads) -> Amounts:
    """Return requests and limits of one whole pod.

    :param overheads: what each RuntimeClass adds to a pod, by its name.
    :raises InvalidInput: naming the field.
    """
    own, others = _split(reading, role)
    main = _main_container(reading, role, own)
    template, where = reading.template(role), f"spec.{role}"
    sidecars = [(f"{where}.template", item) for item in others]
    sidecars += _added(f"{where}.sidecars", reading.fields(role).get("sidecars"), template.get("containers"))
    inits = [(f"{where}.template", item) for item in template.get("initContainers") or []]
    inits += _added(
        f"{where}.initContainers", reading.fields(role).get("initContainers"), template.get("initContainers")
    )
    total = main
    for place, container in sidecars:
        total = total.plus(_said(reading, f"{role} sidecar", container, place))
    whole = _with_init_containers(reading, role, total, inits)
    if template.get("resources"):
        # What a template asks for the pod as a whole: where the cluster does not know it, the sum stays.
        whole = whole.at_least(container_amounts(template, f"{where}.template.spec"))
    whole = _with_overhead(reading, role, whole, overheads)
    if whole.requests != main.requests:
        said = ", ".join(format_amount(name, amount) for name, amount in whole.requests.items())
        reading.explain.append(f"{role} pod: {said} (Spark's container and what is beside it)")
    if sidecars or inits or whole != main:
        return replace(whole, containers=_containers(role, main, sidecars, inits))
    return whole


def _containers(
    role: Role,
    main: Amounts,
    sidecars: Iterable[tuple[str, _Container]],
    inits: Iterable[tuple[str, _Container]],
) -> tuple[Container, ...]:
    """Return the containers of a pod one by one, in the order in which they start."""
    found = []
    for place, container in inits:
        amounts = container_amounts(container, place)
        kind: Literal["init", "sidecar"] = "sidecar" if container.get("restartPolicy") == "Always" else "init"
        found.append(Container(str(container.get("name")), amounts.requests, amounts.limits, kind))
    found.append(Container(MAIN_CONTAINER[role], main.requests, main.limits))
    for place, container in sidecars:
        amounts = container_amounts(container, place)
        found.append(Container(str(container.get("name")), amounts.requests, amounts.limits))
    return tuple(found)


def container_amounts(container: _Container, where: str) -> Amounts:
    """Read a container's resources; a request that is not given is its limit, as the API server sets it.

    :raises InvalidQuantity: naming the place.
    """
    resources = container.get("resources") or {}
    # YAML reads an unquoted 1 as a number; as the API server gets it, every name is a string.
    limited, requested = (
        {str(name): amount for name, amount in (resources.get(kind) or {}).items()}
        for kind in ("limits", "requests")
    )
    try:
        limits, requests = Resources.parse(limited), Resources.parse({**limited, **requested})
    except InvalidQuantity as error:
        raise InvalidQuantity(f"{where}.resources.{error.field}", error.value, error.allowed) from None
    return Amounts(requests, limits)


def _split(reading: Reading, role: Role) -> tuple[_Container, list[_Container]]:
    """Separate Spark's container of a template from the others: by its name, else the first."""
    containers = list(reading.template(role).get("containers") or [])
    named = [item for item in containers if item.get("name") == MAIN_CONTAINER[role]]
    own = named[0] if len(named) == 1 else (containers or [{}])[0]
    return own, [item for item in containers if item is not own]


def _main_container(reading: Reading, role: Role, own: _Container) -> Amounts:
    where = f"spec.{role}.template.spec.containers"
    given = own.get("resources") or {}
    requested = container_amounts({"resources": {"requests": given.get("requests") or {}}}, where).requests
    limited = container_amounts({"resources": {"limits": given.get("limits") or {}}}, where).limits
    cpu, memory = sizing.cpu_request(reading, role), sizing.memory_request(reading, role)
    devices = sizing.devices(reading, role)
    limits = {**limited, MEMORY: sizing.memory_limit(reading, role, memory), **devices}
    if limit := sizing.cpu_limit(reading, role, cpu):
        limits[CPU] = limit
    requests = {**limits, **requested, CPU: cpu, MEMORY: memory}
    for name, amount in requests.items():
        if name in limits and amount > limits[name]:
            raise InvalidManifest(
                f"{where}.resources.limits[{name}]",
                format_amount(name, limits[name]),
                f"at least the request of {format_amount(name, amount)}",
            )
    for name in sorted(set(requests) - {CPU, MEMORY, *devices}):
        reading.explain.append(f"{role} {name}: {format_amount(name, requests[name])} ({where})")
    return Amounts(Resources(requests), Resources(limits))


def _added(place: str, items: Any, there: Any) -> list[tuple[str, _Container]]:
    """Return the containers the webhook adds: those the pod does not have by name and image."""
    known = {(item.get("name"), item.get("image")) for item in there or []}
    return [(place, item) for item in items or [] if (item.get("name"), item.get("image")) not in known]


def _with_init_containers(
    reading: Reading, role: Role, total: Amounts, inits: Iterable[tuple[str, _Container]]
) -> Amounts:
    restartable, peak = Amounts(), Amounts()
    for place, container in inits:
        is_sidecar = container.get("restartPolicy") == "Always"
        name = f"{role} restartable init container" if is_sidecar else f"{role} init container"
        amounts = _said(reading, name, container, place)
        if is_sidecar:
            restartable = restartable.plus(amounts)
            peak = peak.at_least(restartable)
        else:
            peak = peak.at_least(restartable.plus(amounts))
    return total.plus(restartable).at_least(peak)


def _with_overhead(reading: Reading, role: Role, whole: Amounts, overheads: Overheads) -> Amounts:
    """Add what a RuntimeClass costs per pod; the worker does not know it unless it is told."""
    template = reading.template(role)
    name = template.get("runtimeClassName")
    if not name:
        return whole
    if template.get("overhead"):
        # The RuntimeClass admission plugin refuses a pod whose overhead is not that of its class.
        overhead = container_amounts(
            {"resources": {"requests": template["overhead"]}}, f"spec.{role}.template.spec.overhead"
        ).requests
    elif name in overheads:
        overhead = overheads[name]
    else:
        reading.warnings.append(
            f"spec.{role}.template.spec.runtimeClassName: what RuntimeClass {name!r} adds to each pod is not "
            "known and not counted; write its overhead into spec.overhead of the template"
        )
        return whole
    said = ", ".join(f"{key} {format_amount(key, amount)}" for key, amount in overhead.items())
    reading.explain.append(f"{role} overhead: {said} (RuntimeClass {name})")
    limited = Resources({key: amount for key, amount in overhead.items() if key in whole.limits})
    return whole.plus(Amounts(overhead, limited))


def _said(reading: Reading, what: str, container: _Container, place: str) -> Amounts:
    amounts = container_amounts(container, place)
    missing = " and ".join(name for name in (CPU, MEMORY) if name not in amounts.requests)
    if missing:
        reading.warnings.append(
            f"{place}: container {container.get('name')!r} requests no {missing}; a quota on them refuses "
            "its pod, unless a LimitRange has defaults"
        )
    said = ", ".join(format_amount(name, amount) for name, amount in amounts.requests.items()) or "nothing"
    reading.explain.append(f"{what} {container.get('name', '')}: {said} ({place})")
    return amounts
