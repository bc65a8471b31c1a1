# SPDX-License-Identifier: Apache-2.0
"""What must hold for every manifest of ours; each rule returns complaints that name the object."""

from __future__ import annotations

from collections.abc import Iterator

import kubernetes_validate

from tests.deploy.charts import pod_template

#: The oldest and the newest release of Kubernetes that manifests are held against.
KUBERNETES = ("1.27.0", "1.36.0")
#: Served by operators, unknown to Kubernetes itself.
FOREIGN = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def label(item: dict) -> str:
    return f"{item['kind']} {item['metadata']['name']}"


def invalid(found: list[dict]) -> list[str]:
    """What the API server would refuse, and fields that it would silently drop."""
    complaints = []
    for item in found:
        if item["kind"] in FOREIGN:
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                complaints.append(f"{label(item)} in {version}: {error.message}")
    return complaints


def duplicates(found: list[dict]) -> list[str]:
    seen: set[tuple] = set()
    complaints = []
    for item in found:
        key = (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
        if key in seen:
            complaints.append(f"{label(item)} is made twice")
        seen.add(key)
    return complaints


def containers(item: dict) -> Iterator[dict]:
    template = pod_template(item)
    if template is not None:
        yield from template["spec"].get("initContainers") or ()
        yield from template["spec"]["containers"]


def careless_pods(found: list[dict]) -> list[str]:
    """Root, a writable root, capabilities, no limits, no probes."""
    complaints = []
    for item in found:
        template = pod_template(item)
        if template is None:
            continue
        pod = template["spec"].get("securityContext") or {}
        if pod.get("runAsNonRoot") is not True or pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
            complaints.append(f"{label(item)}: runs as root, or without a seccomp profile")
        for container in containers(item):
            complaints += [f"{label(item)} / {container['name']}: {what}" for what in careless(container)]
    return complaints


def careless(container: dict) -> list[str]:
    """What is wrong with one container."""
    context = container.get("securityContext") or {}
    resources = container.get("resources") or {}
    mounted = {mount["mountPath"] for mount in container.get("volumeMounts") or ()}
    checks = {
        "may gain privileges": context.get("allowPrivilegeEscalation") is False,
        "may write to its root": context.get("readOnlyRootFilesystem") is True,
        "keeps capabilities": context.get("capabilities") == {"drop": ["ALL"]},
        "has nowhere to write": "/tmp" in mounted,
        "requests nothing": {"cpu", "memory"} <= set(resources.get("requests") or ()),
        "has no memory limit": "memory" in (resources.get("limits") or {}),
        "has no liveness probe": "livenessProbe" in container,
    }
    return [what for what, holds in checks.items() if not holds]


def without_database(item: dict) -> list[str]:
    """Containers of Airflow that would not find its database or could not read its connections."""
    wanted = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": ("airflow-metadata", "connection"),
        "AIRFLOW__CORE__FERNET_KEY": ("airflow-fernet-key", "fernet-key"),
    }
    complaints = []
    for container in containers(item):
        secrets = {
            one["name"]: one["valueFrom"]["secretKeyRef"]
            for one in container.get("env") or ()
            if "secretKeyRef" in (one.get("valueFrom") or {})
        }
        for name, (secret, key) in wanted.items():
            given = secrets.get(name)
            if given is None or (given["name"], given["key"]) != (secret, key):
                complaints.append(f"{label(item)} / {container['name']}: {name} is {given}")
    return complaints


def unmounted_volumes(found: list[dict]) -> list[str]:
    """Mounts without a volume: the pod would be refused."""
    complaints = []
    for item in found:
        template = pod_template(item)
        if template is None:
            continue
        volumes = {volume["name"] for volume in template["spec"].get("volumes") or ()}
        volumes |= {claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates") or ()}
        for container in containers(item):
            missing = {mount["name"] for mount in container.get("volumeMounts") or ()} - volumes
            complaints += [f"{label(item)} / {container['name']}: no volume {name}" for name in missing]
    return complaints
