# SPDX-License-Identifier: Apache-2.0
"""Writes ``configuration.md`` from the option table: ``python docs/generate.py``. A test compares the two."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Final

from airflow_priority_spark.settings import SECTION, Settings

PAGE: Final = Path(__file__).resolve().parent / "configuration.md"
_HEAD: Final = f"""# Configuration

Options of the section `[{SECTION}]` of `airflow.cfg`; as environment variables
`AIRFLOW__{SECTION.upper()}__OPTION`. Times are seconds. A value that cannot be right stops the process that
reads it, naming the option, the value and what is allowed. Written by `docs/generate.py` from
`airflow_priority_spark/settings.py`; do not edit.

| option | default | allowed | meaning |
|---|---|---|---|
"""


def page() -> str:
    """Return the text of the page."""
    rows = []
    for option in fields(Settings):
        least = option.metadata["minimum"]
        allowed = ", ".join(f"`{word}`" for word in option.metadata["allowed"])
        if not allowed and least is not None:
            allowed = f"at least {least:g}"
        if not allowed and option.metadata["example"]:
            allowed = f"e.g. `{option.metadata['example']}`"
        meaning = option.metadata["description"].replace("``", "`")
        rows.append(f"| `{option.name}` | `{option.default}` | {allowed} | {meaning} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
