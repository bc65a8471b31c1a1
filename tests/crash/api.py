# SPDX-License-Identifier: Apache-2.0
"""What an arbiter asks of a cluster over HTTP, whichever module asks: each request may be its last.

It deletes applications that nobody waits for, makes and deletes placeholders, and asks the admission chain
about pods that it does not make.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from airflow_priority_spark.scheduling.model import PodView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.identity import LABEL_PLACEHOLDER_FOR, LABEL_POD_SET

_PODS = "/api/v1/namespaces/{}/pods"
#: Of placeholders: above what autoscalers ignore, below every pod that does something.
_PRIORITY = -5


class Api:
    """The API server of a cluster.

    :param cluster: what it keeps.
    :ivar chain: namespace → why its admission chain refuses pods.
    """

    def __init__(self, cluster) -> None:
        self._cluster = cluster
        self.chain: dict[str, str] = {}
        self.client = SimpleNamespace(
            default_headers={},
            update_params_for_auth=lambda *_: None,
            configuration=SimpleNamespace(host=""),
            rest_client=SimpleNamespace(
                pool_manager=SimpleNamespace(request=self._request, clear=lambda: None)
            ),
        )

    def _request(self, method: str, url: str, *, body: str | None = None, **_: Any) -> _Response:
        path, _, query = url.partition("?")
        what = f"{method} {path.split('/')[-1 if method == 'POST' else -2]}" + (" dry" if query else "")
        self._cluster.points.reach(f"before {what}")
        namespace = path.split("/namespaces/")[1].split("/")[0]
        answer = self._answer(what, namespace, path.rsplit("/", 1)[1], json.loads(body or "{}"))
        self._cluster.points.reach(f"after {what}")
        return answer

    def _answer(self, what: str, namespace: str, name: str, body: dict[str, Any]) -> _Response:
        if what == "DELETE sparkapplications":
            return self._delete_application(name, body["preconditions"]["uid"])
        if what == "DELETE pods":
            return self._delete_pod(namespace, name)
        if what == "POST pods dry":
            refusal = self.chain.get(namespace, "")
            return _Response(403, refusal) if refusal else _Response(201)
        assert what == "POST pods", f"the stand-in knows no {what}"
        return self._make_placeholder(namespace, body)

    def _delete_application(self, name: str, uid: str) -> _Response:
        found = [app for app in self._cluster.apps.values() if app.view.name == name]
        if not found:
            return _Response(404)
        if found[0].view.uid != uid:
            return _Response(409)
        self._cluster.delete(uid)
        return _Response(200)

    def _delete_pod(self, namespace: str, name: str) -> _Response:
        there = [pod for pod in self._cluster.pods if (pod.namespace, pod.name) == (namespace, name)]
        assert all(pod.placeholder for pod in there), f"{name} is no placeholder"
        self._cluster.pods = [pod for pod in self._cluster.pods if pod not in there]
        return _Response(200 if there else 404)

    def _make_placeholder(self, namespace: str, body: dict[str, Any]) -> _Response:
        metadata, spec = body["metadata"], body["spec"]
        if any((pod.namespace, pod.name) == (namespace, metadata["name"]) for pod in self._cluster.pods):
            return _Response(409)
        labels = metadata["labels"]
        pod = PodView(
            namespace,
            metadata["name"],
            None,
            Resources.parse(spec["containers"][0]["resources"]["requests"]),
            job_id=labels[LABEL_PLACEHOLDER_FOR],
            pod_set=labels[LABEL_POD_SET],
            labels=tuple(sorted(labels.items())),
            placeholder=True,
        )
        self._cluster.pods.append(pod)
        return _Response(201, spec={"priority": _PRIORITY})


def without_placeholder(pods: list[PodView], node: str) -> list[PodView]:
    """Let a pod that does something take the place of one placeholder of a node."""
    least = next(pod for pod in pods if pod.placeholder and pod.node == node)
    return [pod for pod in pods if pod is not least]


class _Response:
    reason = ""

    def __init__(self, status: int, message: str = "not found", **body: Any) -> None:
        self.status, self.headers = status, {}
        self._body = {"kind": "Status", "message": message, **body}

    def read(self, *_: Any) -> bytes:
        return json.dumps(self._body).encode()

    def close(self) -> None:
        """There is no socket."""
