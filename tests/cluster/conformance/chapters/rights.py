# SPDX-License-Identifier: Apache-2.0
"""Authorization: roles and bindings, the sentences of refusal, access reviews."""

from __future__ import annotations

from tests.cluster.conformance.request import APPS, CORE, OWN, Request, config_map, delete, get, patch, post

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES = f"{RBAC}/namespaces/{{ns}}/roles"
BINDINGS = f"{RBAC}/namespaces/{{ns}}/rolebindings"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHO = {"user": "ann"}
ACCOUNT = {"user": "system:serviceaccount:{ns}:spark"}


def _review(verb: str, resource: str, group: str = "") -> dict:
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {"namespace": "{ns}", "verb": verb, "resource": resource, "group": group}
        },
    }


REQUESTS: list[Request] = [
    get("list in a namespace", f"{OWN}/pods", **WHO),
    get("list everywhere", f"{CORE}/pods", **WHO),
    get("read one", f"{OWN}/pods/p", **WHO),
    get("watch", f"{OWN}/pods?watch=true&timeoutSeconds=1", **WHO),
    get("a log", f"{OWN}/pods/p/log", **WHO),
    get("nodes", f"{CORE}/nodes", **WHO),
    get("a namespace", f"{CORE}/namespaces/{{ns}}", **WHO),
    post("create", f"{OWN}/configmaps", config_map("a"), **WHO),
    patch("patch", f"{OWN}/configmaps/a", {}, **WHO),
    patch("patch status", f"{OWN}/pods/a/status", {}, **WHO),
    delete("delete", f"{OWN}/configmaps/a", **WHO),
    delete("delete a collection", f"{OWN}/configmaps", **WHO),
    get("applications", APPS, **WHO),
    get("an application", f"{APPS}/a", **WHO),
    get("an unknown path", "/nothing", **WHO),
    post(
        "a role",
        ROLES,
        {
            "metadata": {"name": "reader"},
            "rules": [
                {"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list"]},
                {"apiGroups": ["sparkoperator.k8s.io"], "resources": ["*"], "verbs": ["*"]},
                {
                    "apiGroups": [""],
                    "resources": ["configmaps"],
                    "resourceNames": ["mine"],
                    "verbs": ["delete"],
                },
            ],
        },
        look=("code", "rules"),
    ),
    post(
        "a binding",
        BINDINGS,
        {
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "User", "name": "ann"}, {"kind": "ServiceAccount", "name": "spark"}],
        },
        look=("code", "message"),
    ),
    post(
        "a binding with its account",
        BINDINGS,
        {
            "metadata": {"name": "reader2"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [
                {"kind": "User", "name": "ann"},
                {"kind": "ServiceAccount", "name": "spark", "namespace": "{ns}"},
            ],
        },
        look=("code", "roleRef", "subjects"),
    ),
    get("now pods may be listed", f"{OWN}/pods", until=("code", 200), look=("kind", "items"), **WHO),
    get("the account may too", f"{OWN}/pods", until=("code", 200), look=("kind", "items"), **ACCOUNT),
    get("another account may not", f"{OWN}/pods", user="system:serviceaccount:{ns}:default"),
    post("but not created", f"{OWN}/pods", {"metadata": {"name": "p"}}, **WHO),
    get("nor watched", f"{OWN}/pods?watch=1&timeoutSeconds=1", **WHO),
    get("nor listed elsewhere", f"{CORE}/namespaces/default/pods", **WHO),
    get("applications may be listed", APPS, look=("kind", "items"), **WHO),
    delete("one name may be deleted", f"{OWN}/configmaps/mine", look=("code", "reason"), **WHO),
    delete("another name may not", f"{OWN}/configmaps/other", **WHO),
    post(
        "a review that allows",
        REVIEWS,
        _review("list", "pods"),
        look=("code", "kind", "spec", "status.allowed"),
        **WHO,
    ),
    post(
        "a review that does not", REVIEWS, _review("create", "pods"), look=("code", "status.allowed"), **WHO
    ),
    post("a review of everything", REVIEWS, _review("*", "*"), look=("code", "status.allowed")),
    patch(
        "the role of a binding may not change",
        f"{BINDINGS}/reader",
        {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "other"}},
        look=("code", "message"),
    ),
]
