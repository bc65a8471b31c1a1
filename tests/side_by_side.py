# SPDX-License-Identifier: Apache-2.0
"""Which tests share a process when ``make test`` runs several side by side.

Most tests wait: for a pod, a lease, a database that starts. Two processes use that time. A file stays
together, as its tests may share what they started. All of ``e2e`` shares one Airflow and stays together; it
comes first, as it takes longest.
"""

from __future__ import annotations

import pytest

_SHARED = "tests/e2e/"
_FIRST = (_SHARED, "tests/ha/", "tests/cluster/", "tests/operator/", "tests/store/", "tests/property/")


def pytest_collection_modifyitems(items):
    items.sort(key=_rank)


def _rank(item) -> int:
    return next((rank for rank, folder in enumerate(_FIRST) if item.nodeid.startswith(folder)), len(_FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _SHARED if nodeid.startswith(_SHARED) else nodeid.partition("::")[0]

    return ByFile(config, log)
