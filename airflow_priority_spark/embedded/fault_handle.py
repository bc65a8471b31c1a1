# SPDX-License-Identifier: Apache-2.0
"""Causes faults in a running cluster: the handle of tests (``EmbeddedCluster.faults``) and commands."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from airflow_priority_spark.errors import PrioritySparkError


class FaultRefused(PrioritySparkError):
    """The cluster does not take the fault; the message names the option and what is allowed."""


class Faults:
    """The faults of one cluster.

    :param url: of the cluster's fault endpoint.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def add(self, kind: str, **options: object) -> str:
        """Make a fault active and return its id; ``retry_after`` stands for ``retry-after``.

        :raises FaultRefused: for an unknown kind, option or value.
        """
        named = {key.rstrip("_").replace("_", "-"): str(value) for key, value in options.items()}
        made: dict[str, Any] = self._ask("POST", "", {"kind": kind, "options": named})
        return str(made["id"])

    def list(self) -> list[dict[str, Any]]:
        """Return the active faults, oldest first."""
        found: list[dict[str, Any]] = self._ask("GET")
        return found

    def clear(self, fault_id: str | None = None) -> Sequence[str]:
        """End one fault, or all; returns their ids.

        :raises FaultRefused: when there is none of this id.
        """
        return [fault["id"] for fault in self._ask("DELETE", f"/{fault_id}" if fault_id else "")]

    @contextmanager
    def active(self, kind: str, **options: object) -> Iterator[str]:
        """Keep a fault active while the block runs."""
        fault_id = self.add(kind, **options)
        try:
            yield fault_id
        finally:
            if any(fault["id"] == fault_id for fault in self.list()):
                self.clear(fault_id)

    def _ask(self, method: str, path: str = "", body: object = None) -> Any:
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise FaultRefused(json.load(error)["message"]) from None
