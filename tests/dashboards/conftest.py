# SPDX-License-Identifier: Apache-2.0
"""The site that metrics are tested on."""

from tests.metrics.conftest import scrape, site  # noqa: F401 - fixtures
