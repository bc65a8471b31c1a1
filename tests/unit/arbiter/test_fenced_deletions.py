# SPDX-License-Identifier: Apache-2.0
"""The cluster knows no fence, so whoever deletes an application there asks the database first."""

from __future__ import annotations

import pytest

from airflow_priority_spark.errors import LeadershipLost
from tests.unit.arbiter.world import CLUSTER


@pytest.fixture
def database_kind():
    return "sqlite"


def test_an_arbiter_that_was_replaced_deletes_no_application_on_its_old_picture(world, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "airflow_priority_spark.arbiter.strays.delete_application", lambda *args, **_: asked.append(args)
    )
    world.defer("train")
    world.cycle(2)
    app = world.start("train")
    stopped = world.loop
    stopped.clusters.connections[CLUSTER] = object()
    stopped.strays.delete(CLUSTER, app, "it leads still")
    assert len(asked) == 1

    successor = world.arbiter("arbiter-2")
    world.now += 2 * successor.leadership.lease
    assert successor.leadership.acquire()
    with pytest.raises(LeadershipLost, match="another arbiter took over from arbiter-1"):
        stopped.strays.delete(CLUSTER, app, "it led once")
    assert len(asked) == 1, "nothing was asked of the cluster"
