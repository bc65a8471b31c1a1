# SPDX-License-Identifier: Apache-2.0
"""The requests, by chapter."""

from __future__ import annotations

from tests.cluster.conformance.chapters import (
    applications,
    basics,
    cluster_scoped,
    definitions,
    deletion,
    evictions,
    kubectl,
    limits,
    lists,
    patches,
    pods,
    quotas,
    reading,
    rights,
    scheduling,
    tables,
    watches,
)
from tests.cluster.conformance.request import Request

CHAPTERS: dict[str, list[Request]] = {
    "basics": basics.REQUESTS,
    "reading": reading.REQUESTS,
    "pods": pods.REQUESTS,
    "quotas": quotas.REQUESTS,
    "limits": limits.REQUESTS,
    "patches": patches.REQUESTS,
    "lists": lists.REQUESTS,
    "watches": watches.REQUESTS,
    "deletion": deletion.REQUESTS,
    "cluster_scoped": cluster_scoped.REQUESTS,
    "definitions": definitions.REQUESTS,
    "evictions": evictions.REQUESTS,
    "applications": applications.REQUESTS,
    "rights": rights.REQUESTS,
    "tables": tables.REQUESTS,
    "kubectl": kubectl.REQUESTS,
    "scheduling": scheduling.REQUESTS,
}
