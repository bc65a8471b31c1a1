# SPDX-License-Identifier: Apache-2.0
"""The doctor's questions about rights: may the arbiter, and may workers, do what they do.

The API server itself is asked (SelfSubjectAccessReview), so that whatever grants a right counts. In most
installations arbiter and workers have service accounts of their own, and no connection is both: the doctor
can act as either (as ``kubectl --as`` does), where its connection may.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from airflow_priority_spark.cli.doctor_findings import Finding
from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.kinds import PERMISSIONS, WORKER_PERMISSIONS, Permission
from airflow_priority_spark.cluster.transport import Refused, explain, request_json

_REVIEW: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_ACTS_AS: Final = "Impersonate-User"
_ACCOUNT: Final = "system:serviceaccount:"
_TABLES: Final = {"arbiter": PERMISSIONS, "worker": WORKER_PERMISSIONS}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose rights are asked for.

    :param who: ``arbiter`` or ``worker``: which table.
    :param account: ``namespace:name`` of a service account; empty: the user of the connection.
    """

    who: str
    account: str = ""


BOTH: Final = tuple(Asked(who) for who in _TABLES)


def chosen(rights: str, arbiter_account: str | None, worker_account: str | None) -> tuple[Asked, ...]:
    """Return whose rights the options ask for.

    :param rights: ``arbiter``, ``worker`` or ``both``.
    :param arbiter_account: as in :class:`Asked`; ``None`` for none. Likewise ``worker_account``.
    """
    accounts = {"arbiter": arbiter_account, "worker": worker_account}
    return tuple(Asked(who, accounts[who] or "") for who in _TABLES if rights in (who, "both"))


def account(text: str) -> str:
    """Read ``NAMESPACE:NAME``, or the user name that Kubernetes gives a service account.

    :raises ArgumentTypeError: when it is neither.
    """
    parts = text.removeprefix(_ACCOUNT).split(":")
    if len(parts) != 2 or not all(parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed; allowed is the NAMESPACE:NAME of a service account, e.g. "
            "airflow:airflow-worker"
        )
    return ":".join(parts)


def rights(connection: ClusterConnection, asked: Asked, namespaces: Collection[str]) -> Iterator[Finding]:
    """Ask for each right of a table.

    :param namespaces: of the queues; without any, rights are asked for cluster-wide.
    """
    with _acting_as(connection, asked.account):
        try:
            for permission in _TABLES[asked.who]:
                yield _right(connection, asked, permission, namespaces)
        except Refused as refused:
            if not (asked.account and refused.code == 403 and "impersonate" in refused.message):
                raise explain(connection, refused, permission.verb, permission.kind) from refused
            yield _not_asked(connection, asked)


@contextmanager
def _acting_as(connection: ClusterConnection, account: str) -> Iterator[None]:
    headers = connection.api_client.default_headers
    if account:
        headers[_ACTS_AS] = f"{_ACCOUNT}{account}"
    try:
        yield
    finally:
        headers.pop(_ACTS_AS, None)


def _not_asked(connection: ClusterConnection, asked: Asked) -> Finding:
    return Finding(
        "permission",
        asked.who,
        "problem",
        f"nothing is known of the rights of service account {asked.account}: the user of {connection.label} "
        "lacks the verb impersonate on serviceaccounts",
        f"Ask with a connection that has it, as cluster admins do, or run: airflow priority-spark doctor "
        f"--rights {asked.who}, in a pod of that account.",
    )


def _right(
    connection: ClusterConnection, asked: Asked, permission: Permission, namespaces: Collection[str]
) -> Finding:
    subject = f"{asked.who}: {permission.verb} {permission.kind.resource}"
    if _allowed(connection, permission, None):
        return Finding("permission", subject, "ok", "granted cluster-wide")
    whom = f"service account {asked.account}" if asked.account else f"the user of {connection.label}"
    if permission.cluster_wide or not namespaces:
        return _missing(subject, permission, "cluster-wide", f"{whom}, by a ClusterRole")
    refused = [name for name in sorted(namespaces) if not _allowed(connection, permission, name)]
    if not refused:
        return Finding("permission", subject, "ok", "granted in every queue's namespace")
    where = f"in namespace {', '.join(refused)}"
    return _missing(subject, permission, where, f"{whom}, by a Role there or a ClusterRole")


def _missing(subject: str, permission: Permission, where: str, whom: str) -> Finding:
    return Finding(
        "permission",
        subject,
        "warning" if permission.optional else "problem",
        f"not granted {where}; it is for: {permission.why}",
        f"Grant the verb {permission.verb} on {permission.kind.resource} {where} to {whom}.",
    )


def _allowed(connection: ClusterConnection, permission: Permission, namespace: str | None) -> bool:
    resource, _, subresource = permission.kind.plural.partition("/")
    attributes = {
        "verb": permission.verb,
        "group": permission.kind.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace or "",
        "name": permission.name,
    }
    review: dict[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    answer = request_json(connection, "POST", _REVIEW, body=review)
    return bool((answer.get("status") or {}).get("allowed"))
