# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tests.unit.spark_cluster import cluster, connection, kubernetes, listen, namespace, ref

__all__ = ["cluster", "connection", "kubernetes", "listen", "namespace", "ref"]
