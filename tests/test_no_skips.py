# SPDX-License-Identifier: Apache-2.0
"""A skip is visible on a person's machine and a failure where the build decides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPING = {
    "in the test": "import pytest\n\ndef test_it():\n    pytest.skip('java is missing')\n",
    "by a mark": (
        "import pytest\n\n@pytest.mark.skipif(True, reason='java is missing')\ndef test_it():\n    pass\n"
    ),
    "in a fixture": (
        "import pytest\n\n@pytest.fixture\ndef java():\n    pytest.skip('java is missing')\n\n"
        "def test_it(java):\n    pass\n"
    ),
    "as a module": "import pytest\n\npytest.skip('java is missing', allow_module_level=True)\n",
}


def run(folder: Path, source: str, ci: str) -> subprocess.CompletedProcess:
    (folder / "test_it.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.no_skips",
        "-rs",
        "-p",
        "no:cacheprovider",
        folder,
    ]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("source", SKIPPING.values(), ids=SKIPPING)
def test_with_ci_a_skip_fails_and_says_why(tmp_path, source):
    result = run(tmp_path, source, "true")
    assert result.returncode not in (0, 5)
    assert "with CI=true nothing may be skipped. Skipped: java is missing" in result.stdout


@pytest.mark.parametrize("source", SKIPPING.values(), ids=SKIPPING)
def test_without_ci_a_skip_is_shown(tmp_path, source):
    result = run(tmp_path, source, "")
    assert result.returncode in (0, 5)
    assert "1 skipped" in result.stdout
    assert "java is missing" in result.stdout


def test_an_expected_failure_is_no_skip(tmp_path):
    source = "import pytest\n\n@pytest.mark.xfail\ndef test_it():\n    assert False\n"
    result = run(tmp_path, source, "true")
    assert result.returncode == 0
    assert "1 xfailed" in result.stdout
