# SPDX-License-Identifier: Apache-2.0
"""SparkApplications: the schema, generation, status."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import (
    APPLY,
    APPS,
    JSON_PATCH,
    STRATEGIC,
    Request,
    application,
    delete,
    get,
    patch,
    post,
    put,
)


def _without(*fields: str) -> dict[str, Any]:
    body = application("bad")
    for field in fields:
        del body["spec"][field]
    return body


def _status(**more: Any) -> dict[str, Any]:
    return {"status": {"driverInfo": {}, "applicationState": {"state": "RUNNING"}, **more}}


REQUESTS: list[Request] = [
    post(
        "an application",
        APPS,
        application("a"),
        keep={"rv": "metadata.resourceVersion", "uid": "metadata.uid"},
    ),
    post("again", APPS, application("a")),
    post("without a driver", APPS, _without("driver")),
    post("without three fields", APPS, _without("driver", "executor", "type")),
    post(
        "without a spec",
        APPS,
        {**application("bad"), "spec": None},
        look=("code", "reason", "details.causes"),
    ),
    post(
        "with no metadata",
        APPS,
        {k: v for k, v in application("bad").items() if k != "metadata"},
        look=("code", "reason", "message"),
    ),
    post("of an unknown type", APPS, application("bad", type="Cobol")),
    post("in an unknown mode", APPS, application("bad", mode="cloud")),
    post("with cores that are text", APPS, application("bad", driver={"cores": "2"})),
    post("with cores that are a fraction", APPS, application("bad", driver={"cores": 1.5})),
    post("with no cores", APPS, application("bad", driver={"cores": 0})),
    post("with no instances", APPS, application("bad", executor={"instances": 0})),
    post(
        "with a number in its configuration", APPS, application("bad", sparkConf={"spark.executor.cores": 2})
    ),
    post("with a boolean that is text", APPS, application("bad", dynamicAllocation={"enabled": "true"})),
    post("with a list that is text", APPS, application("bad", arguments="one")),
    post("with a memory that is a number", APPS, application("bad", driver={"memory": 512})),
    post(
        "with a GPU without a quantity", APPS, application("bad", driver={"gpu": {"name": "nvidia.com/gpu"}})
    ),
    post(
        "with an unknown restart policy",
        APPS,
        application("bad", restartPolicy={"type": "Perhaps", "onFailureRetries": -1}),
    ),
    post("with several faults", APPS, application("bad", mode="cloud", driver={"cores": "2", "memory": 5})),
    post("with a Python version that is none", APPS, application("bad", pythonVersion="4")),
    post(
        "with a driver name that is none",
        APPS,
        application("bad", driver={"podName": "Upper_case"}),
        look=("code", "reason", "details.causes.0.field", "details.causes.0.reason"),
    ),
    post(
        "unknown fields are pruned",
        APPS,
        application("pruned", surplus=1, driver={"cores": 1, "surplus": {"a": 1}}),
        look=("code", "spec"),
    ),
    post(
        "unknown fields named when strict",
        f"{APPS}?fieldValidation=Strict",
        application("strict", surplus=1),
        look=("code", "reason", "message"),
    ),
    post(
        "a pod template is kept as it is",
        APPS,
        application("templated", driver={"template": {"spec": {"anything": {"goes": 1}}}}),
        look=("spec.driver",),
    ),
    post("a name too long for a label", APPS, application("a" * 64), look=("code",)),
    post("a name that is none", APPS, application("A_b")),
    post(
        "of another version",
        APPS,
        {**application("bad"), "apiVersion": "sparkoperator.k8s.io/v1"},
        look=("code", "reason"),
    ),
    post(
        "without apiVersion",
        APPS,
        {k: v for k, v in application("bad").items() if k != "apiVersion"},
        look=("code", "reason"),
    ),
    post("with a status", APPS, {**application("stated"), **_status()}, look=("code", "status")),
    post("with a dry run", f"{APPS}?dryRun=All", application("dry"), look=("code", "metadata.generation")),
    patch(
        "a change of the spec is a generation",
        f"{APPS}/a",
        {"spec": {"mainClass": "Other"}},
        look=("metadata.generation", "spec.mainClass"),
    ),
    patch(
        "labels are none",
        f"{APPS}/a",
        {"metadata": {"labels": {"x": "1"}}},
        look=("metadata.generation", "metadata.labels"),
    ),
    patch("a change that does not fit", f"{APPS}/a", {"spec": {"executor": {"instances": "many"}}}),
    patch("a strategic merge", f"{APPS}/a", {"spec": {}}, STRATEGIC),
    patch(
        "a JSON patch",
        f"{APPS}/a",
        [{"op": "replace", "path": "/spec/executor/instances", "value": 3}],
        JSON_PATCH,
        look=("spec.executor", "metadata.generation"),
    ),
    patch(
        "status is not written with the rest", f"{APPS}/a", _status(), look=("status", "metadata.generation")
    ),
    patch(
        "status on its own path",
        f"{APPS}/a/status",
        _status(executionAttempts=1, surplus=1),
        look=("status", "metadata.generation"),
    ),
    patch("status that does not fit", f"{APPS}/a/status", {"status": {"applicationState": {"state": 5}}}),
    patch("status without what it needs", f"{APPS}/a/status", {"status": {"driverInfo": None}}),
    patch(
        "the spec is not written with status",
        f"{APPS}/a/status",
        {"spec": {"mainClass": "Third"}},
        look=("spec.mainClass",),
    ),
    get("status alone", f"{APPS}/a/status", look=("kind", "status")),
    put("replace without a version", f"{APPS}/a", application("a"), look=("code", "reason", "message")),
    put(
        "replace with a stale version",
        f"{APPS}/a",
        {**application("a"), "metadata": {"name": "a", "resourceVersion": "{rv}"}},
    ),
    patch(
        "apply",
        f"{APPS}/applied?fieldManager=me",
        application("applied"),
        APPLY,
        look=("code", "metadata.generation", "spec"),
    ),
    patch(
        "apply a change",
        f"{APPS}/applied?fieldManager=me",
        application("applied", suspend=False),
        APPLY,
        look=("code", "spec.suspend"),
    ),
    patch(
        "apply what does not fit",
        f"{APPS}/applied?fieldManager=me",
        application("applied", mode="cloud"),
        APPLY,
        look=("code", "reason"),
    ),
    delete(
        "delete with another uid",
        f"{APPS}/a",
        {"preconditions": {"uid": "11111111-1111-1111-1111-111111111111"}},
    ),
    delete("delete with its uid", f"{APPS}/a", {"preconditions": {"uid": "{uid}"}}),
    delete("delete what is not there", f"{APPS}/none"),
]
