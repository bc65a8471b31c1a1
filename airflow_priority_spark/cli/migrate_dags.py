# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark migrate-dags``: DAG files from the stock operator to ours.

It changes what can be changed without a thought, and lists by file and line what needs one. Nothing is
written unless ``--write`` says so.
"""

from __future__ import annotations

import difflib
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_priority_spark.errors import InvalidInput

if TYPE_CHECKING:
    from airflow_priority_spark.cli.migrate_dags_rewrite import Rewritten

NEEDS_LIBCST = "migrate-dags needs libcst: pip install 'airflow-provider-priority-spark[migrate]'"
#: How a diff says that a file's last line has no end.
_NO_END = "\\ No newline at end of file\n"


def migrate_dags(args: Namespace) -> None:
    """Change the DAG files below a path, or show what would be changed."""
    try:
        from libcst import ParserSyntaxError

        from airflow_priority_spark.cli.migrate_dags_rewrite import rewrite
    except ImportError:
        raise SystemExit(NEEDS_LIBCST) from None
    if args.diff and args.write:
        raise SystemExit("--diff and --write: choose one; --diff writes nothing")
    changed = used = findings = 0
    for file in _python_files(Path(args.path)):
        try:
            done = rewrite(file.read_bytes())
        except (ParserSyntaxError, UnicodeDecodeError, OSError) as error:
            print(f"{file}: not read: {_first_line(error)}")
            continue
        used += done.uses
        findings += len(done.findings)
        changed += done.changed
        _tell(file, done, args)
    _summary(args, changed, used, findings)


def _tell(file: Path, done: Rewritten, args: Namespace) -> None:
    if done.changed and args.diff:
        print(_diff(file, done.source), end="")
    elif done.changed:
        print(f"{file}: {'changed' if args.write else 'would be changed'}")
    for found in done.findings:
        print(f"{file}:{found.line}: {found.text}")
    if done.changed and args.write:
        file.write_bytes(done.source)


def _summary(args: Namespace, changed: int, used: int, findings: int) -> None:
    if not used:
        print(f"No DAG file of {args.path} uses the operator.")
        return
    verb = "changed" if args.write else "to change"
    print(f"{_count(changed, 'file')} {verb}, {_count(findings, 'place')} to look at.")
    if changed and not args.write:
        print("Nothing was written; --write changes the files.")


def _python_files(path: Path) -> Iterator[Path]:
    """Yield the file itself, or the Python files below a folder, without hidden ones."""
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        allowed = "a Python file or a folder with DAG files"
        raise SystemExit(str(InvalidInput("PATH", str(path), allowed)))
    for file in sorted(path.rglob("*.py")):
        if not any(part.startswith(".") for part in file.relative_to(path).parts):
            yield file


def _diff(file: Path, after: bytes) -> str:
    before, now = file.read_bytes().decode(errors="replace"), after.decode(errors="replace")
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), now.splitlines(keepends=True), f"a/{file}", f"b/{file}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_END}" for line in lines)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
