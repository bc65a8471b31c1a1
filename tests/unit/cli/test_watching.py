# SPDX-License-Identifier: Apache-2.0
"""``--watch``: a live table on a terminal, one look after the other elsewhere."""

import contextlib
import io
import json
import os

import pytest
import yaml

from airflow_priority_spark.cli import watching
from tests.store.rows import make_job

SHOWING = [
    ("job", "list"),
    ("job", "show", "JOB"),
    ("job", "explain", "JOB"),
    ("queue", "list"),
    ("queue", "show", "team-a"),
    ("status",),
    ("capacity",),
]


@pytest.fixture
def looks(monkeypatch):
    """Let a person press Ctrl-C after so many looks; between two of them something may happen."""

    def after(number, between=lambda: None):
        left, slept = [number], []

        def sleep(seconds):
            slept.append(seconds)
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            between()

        monkeypatch.setattr(watching.time, "sleep", sleep)
        return slept

    return after


@pytest.fixture
def screen(monkeypatch):
    """A terminal of twelve lines."""

    class Screen(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(watching.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((100, 12)))
    return Screen()


@pytest.mark.parametrize("command", SHOWING, ids=" ".join)
def test_what_shows_something_goes_on_showing_it_until_ctrl_c(session, queue, airflow, looks, command):
    job = make_job(session, queue)
    session.commit()
    slept = looks(3)

    said = airflow(*(job.id if word == "JOB" else word for word in command), "--watch")

    assert slept == [2.0, 2.0, 2.0]
    assert said.count("every 2 s; Ctrl-C ends\n") == 3
    assert "\x1b" not in said


def test_each_look_shows_what_is_there_then(session, queue, airflow, looks):
    first = make_job(session, queue)
    session.commit()

    def one_more():
        make_job(session, queue)
        session.commit()

    slept = looks(2, one_more)
    lines = airflow("job", "list", "--watch", "--interval", "0.5", "-o", "json").splitlines()

    before, after = (json.loads(line) for line in lines)
    assert ([job["id"] for job in before], len(after)) == ([first.id], 2)
    assert slept == [0.5, 0.5]


def test_yaml_is_a_document_for_each_look(session, queue, airflow, looks):
    looks(3)
    documents = list(yaml.safe_load_all(airflow("queue", "list", "--watch", "-o", "yaml")))
    assert [len(rows) for rows in documents] == [2, 2, 2]


def test_a_terminal_is_written_over_and_never_scrolls(session, queue, looks, screen):
    from airflow.cli.cli_parser import get_parser

    for _ in range(30):
        make_job(session, queue)
    session.commit()
    looks(2)

    arguments = get_parser().parse_args(["priority-spark", "job", "list", "--watch", "-o", "plain"])
    with contextlib.redirect_stdout(screen):
        arguments.func(arguments)

    written = screen.getvalue()
    assert written.startswith("\x1b[H\x1b[2J")
    assert written.count("\x1b[2J") == 1
    _, first, second = written.split("\x1b[H")
    assert first.count("\n") == second.count("\n") == 11


def test_what_is_not_there_ends_the_watch_with_its_code(database, airflow, looks):
    looks(5)
    code, said = airflow.ends("job", "show", "4711", "--watch")
    assert code == 3
    assert "no job has the id '4711'" in said


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "often", "1e9"])
def test_an_interval_that_cannot_be_is_refused(database, airflow, interval):
    code, said = airflow.ends("status", "--watch", f"--interval={interval}")
    assert code == 2
    assert f"{interval!r} is not a number of seconds from 0.1 to 3600" in said
