# SPDX-License-Identifier: Apache-2.0
"""Which tests share a process when ``make test`` runs several side by side.

Most tests wait: for a pod, a lease, a database that starts. Two processes use that time. A file stays
together, as its tests may share what they started. All of ``e2e`` shares one Airflow and stays together; it
comes first, as it takes longest.
"""

from __future__ import annotations

import pytest

_FIRST = tuple(
    f"tests/{folder}/"
    for folder in ("e2e", "ha", "cluster", "operator", "store", "api", "metrics", "deploy", "property")
)
_SHARED = "tests/e2e/"


# Before xdist reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(_SHARED if file.startswith(_SHARED) else file))
    items.sort(key=_rank)


def _rank(item) -> int:
    return next((rank for rank, folder in enumerate(_FIRST) if item.nodeid.startswith(folder)), len(_FIRST))
