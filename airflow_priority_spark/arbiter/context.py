# SPDX-License-Identifier: Apache-2.0
"""What every part of a cycle needs, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_priority_spark.arbiter.clusters import Clusters
from airflow_priority_spark.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The constants of one arbiter process.

    :param instance_id: of this Airflow installation.
    :param pools: priority pools (name → weight) that a new queue gets.
    :param actor: who writes events, for people.
    """

    settings: Settings
    clusters: Clusters
    instance_id: str
    pools: Mapping[str, int]
    actor: str
