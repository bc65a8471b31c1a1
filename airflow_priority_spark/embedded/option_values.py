# SPDX-License-Identifier: Apache-2.0
"""Reads the values of command-line options; each refusal names the flag, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path

from airflow_priority_spark.embedded import durations, spark_submit
from airflow_priority_spark.errors import InvalidInput

RUNTIMES = ("auto", "spark", "simulated")


def number(flag: str, text: str, least: int, most: int) -> int:
    """Read a whole number within bounds."""
    if not str(text).isdigit() or not least <= int(text) <= most:
        raise InvalidInput(flag, text, f"a whole number from {least} to {most}")
    return int(text)


def duration(flag: str, text: str) -> float:
    """Read a duration; returns seconds."""
    try:
        return durations.seconds(text)
    except ValueError:
        raise InvalidInput(flag, text, durations.ALLOWED) from None


def directory(flag: str, text: str | None) -> Path | None:
    """Read an existing directory, or none."""
    if not text:
        return None
    path = Path(text).expanduser().resolve()
    if not path.is_dir():
        raise InvalidInput(flag, text, "an existing directory")
    return path


def runtime(text: str) -> str:
    """Read how drivers are to run."""
    if text not in RUNTIMES:
        raise InvalidInput("--runtime", text, ", ".join(RUNTIMES))
    return text


def real_drivers(chosen: str) -> bool:
    """Whether drivers run as ``spark-submit``; refuses when that is asked for and impossible."""
    if chosen == "simulated":
        return False
    obstacle = spark_submit.obstacle()
    if obstacle and chosen == "spark":
        raise InvalidInput("--runtime", chosen, f"simulated on this machine: {obstacle}")
    return obstacle is None
