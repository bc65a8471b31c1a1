# SPDX-License-Identifier: Apache-2.0
"""What a running cluster leaves in its directory: its identity, kubeconfigs, and how to reach it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from airflow_priority_spark.embedded.access import ADMIN
from airflow_priority_spark.embedded.certificate import public_part
from airflow_priority_spark.embedded.objects import new_uid

KUBECONFIG = "kubeconfig"
STATE = "cluster.json"
LOG = "cluster.log"
UID = "cluster-uid"
CERTIFICATE = "serving.pem"
FAULTS_TOKEN = "faults-token"
WORK = "work"


def cluster_uid(directory: Path) -> str:
    """Return the identity of the cluster that lives in a directory, made once."""
    file = directory / UID
    if not file.exists():
        file.write_text(new_uid())
    return file.read_text().strip()


def write_kubeconfigs(directory: Path, url: str, tokens: Mapping[str, str]) -> None:
    """Write a kubeconfig for each user; the admin's is the one without a name."""
    authority = base64.b64encode(public_part(directory / CERTIFICATE).encode()).decode()
    for user, token in tokens.items():
        file = directory / (KUBECONFIG if user == ADMIN else f"{KUBECONFIG}-{user}")
        write_private(file, _kubeconfig(url, authority, user, token))


def write_state(directory: Path, state: Mapping[str, Any]) -> None:
    """Write the state file; its appearance says that the cluster answers."""
    draft = directory / f"{STATE}.new"
    draft.write_text(json.dumps({"pid": os.getpid(), **state}))
    draft.replace(directory / STATE)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)


def _kubeconfig(url: str, authority: str, user: str, token: str) -> str:
    cluster = {"server": url, "certificate-authority-data": authority}
    context = {"cluster": "embedded", "user": user, "namespace": "default"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "embedded", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "embedded", "context": context}],
        "current-context": "embedded",
    }
    return yaml.safe_dump(content, sort_keys=False)
