# SPDX-License-Identifier: Apache-2.0
"""``--watch``: what a command shows, again and again.

On a terminal the screen is written over in one go, so that nothing flickers and no half table is seen;
into a pipe or a file one look follows the other: with ``-o json`` a line each, with ``-o yaml`` a document.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import io
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Final

_HOME_AND_CLEAR: Final = "\x1b[H\x1b[2J"
_HOME: Final = "\x1b[H"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"

Show = Callable[[Namespace], None]


def watched(show: Show) -> Show:
    """Let a command that shows something go on showing it with ``--watch``, until Ctrl-C (exit code 0)."""

    @functools.wraps(show)
    def wrapped(args: Namespace) -> None:
        if not args.watch:
            show(args)
            return
        with contextlib.suppress(KeyboardInterrupt):
            _go_on(show, args)

    return wrapped


def _go_on(show: Show, args: Namespace) -> None:
    on_screen, first = sys.stdout.isatty(), True
    while True:
        text = _look(show, args)
        if args.output not in ("json", "yaml"):
            now = datetime.datetime.now(datetime.UTC)
            text = f"{now:%Y-%m-%d %H:%M:%S}Z, every {args.interval:g} s; Ctrl-C ends\n{text}"
        if on_screen:
            sys.stdout.write(_over_screen(text, first=first))
        else:
            sys.stdout.write(text if first or args.output == "json" else f"{_between(args.output)}\n{text}")
        sys.stdout.flush()
        first = False
        time.sleep(args.interval)


class _Page(io.StringIO):
    """Takes what is printed, and is a terminal where there is one: tables are as wide, and in colour."""

    def __init__(self, on_screen: bool) -> None:
        super().__init__()
        self._on_screen = on_screen

    def isatty(self) -> bool:
        return self._on_screen


def _look(show: Show, args: Namespace) -> str:
    page = _Page(sys.stdout.isatty())
    with contextlib.redirect_stdout(page):
        show(args)
    return page.getvalue()


def _over_screen(text: str, *, first: bool) -> str:
    """Return a text that replaces what the screen shows, as much of it as the screen has lines."""
    lines = text.splitlines()[: shutil.get_terminal_size().lines - 1]
    written = "".join(f"{line}{_CLEAR_LINE}\n" for line in lines)
    return (_HOME_AND_CLEAR if first else _HOME) + written + _CLEAR_BELOW


def _between(output: str) -> str:
    return "---" if output == "yaml" else ""
