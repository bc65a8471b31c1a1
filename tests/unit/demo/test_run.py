# SPDX-License-Identifier: Apache-2.0
"""What a person types and reads around the run itself."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from demo import run


@dataclass
class Api:
    base_url: str = "http://127.0.0.1:1234"


@dataclass
class Site:
    environment_file: Path
    api: Api


@pytest.fixture
def interruptible():
    """Hear Ctrl-C also where the tests run in the background, whose shell makes them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_when_said(console: Console, words: str) -> None:
    """Press Ctrl-C a moment after the words were printed."""
    while words not in console.file.getvalue():
        time.sleep(0.02)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)


def test_what_is_kept_says_where_it_is_and_how_it_ends(tmp_path, interruptible):
    console = Console(file=io.StringIO(), width=130)
    threading.Thread(target=interrupt_when_said, args=(console, "Stop with Ctrl-C"), daemon=True).start()
    run._keep(console, Site(tmp_path / "environment.sh", Api()))
    said = console.file.getvalue()
    assert "Airflow's UI: http://127.0.0.1:1234" in said
    assert f"source {tmp_path}/environment.sh" in said
    assert "Stop with Ctrl-C" in said


def test_an_unknown_argument_is_refused(capsys):
    with pytest.raises(SystemExit):
        run.main(["--forever"])
    assert "unrecognized arguments: --forever" in capsys.readouterr().err
