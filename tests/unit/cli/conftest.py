# SPDX-License-Identifier: Apache-2.0
"""Commands as a person types them, in this process, on a database of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from airflow_priority_spark.store.leadership import Leadership
from tests.store.rows import make_queue


@pytest.fixture
def database_kind():
    """Reading is tested on both kinds of database in tests/store."""
    return "sqlite"


@dataclass(frozen=True)
class Typed:
    """Types ``airflow priority-spark …`` and reads what it prints."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> str:
        from airflow.cli.cli_parser import get_parser

        arguments = get_parser().parse_args(["priority-spark", *words])
        self.capsys.readouterr()
        arguments.func(arguments)
        return self.capsys.readouterr().out

    def json(self, *words: str):
        return json.loads(self(*words, "-o", "json"))

    def refused(self, *words: str) -> str:
        """Return what the command says when it refuses, after checking that it fails."""
        with pytest.raises(SystemExit) as ended:
            self(*words)
        said = ended.value.code
        return said if isinstance(said, str) else self.capsys.readouterr().err

    def ends(self, *words: str) -> tuple[int, str]:
        """Return exit code and standard error of a command that fails."""
        with pytest.raises(SystemExit) as ended:
            self(*words)
        code = ended.value.code
        return (1, f"{code}\n") if isinstance(code, str) else (code, self.capsys.readouterr().err)


@pytest.fixture
def airflow(capsys):
    return Typed(capsys)


@pytest.fixture
def queue(session):
    """The queue ``team-a`` of the cluster ``spark-prod``."""
    found = make_queue(session)
    session.commit()
    return found


@pytest.fixture
def leader(database):
    """Let an arbiter lead."""
    import datetime

    def lead(holder: str) -> None:
        leadership = Leadership(database.session, holder, lambda: datetime.datetime.now(datetime.UTC), 60)
        assert leadership.acquire()

    return lead
