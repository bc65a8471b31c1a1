# SPDX-License-Identifier: Apache-2.0
"""Keeps one arbiter running for as long as one scheduler runs.

Why a process and not a thread of the scheduler: the scheduler forks its LocalExecutor workers, and a
thread that holds a lock while the process forks leaves that lock held for ever in the child. Why not
the arbiter itself as the scheduler's child: a process that leads, and may be killed at any moment,
cannot also be the one that starts it again. So the scheduler's only child is this one, which imports
nothing but the standard library and never touches the database::

    airflow scheduler ──► supervisor ──► airflow priority-spark arbiter
                          (this file)    (restarted with growing pauses)

It must end with its scheduler, also when that is killed with SIGKILL and can tell nobody. The end of
a pipe would not do: forked workers inherit the descriptor and keep it open. So the kernel is asked
for a signal at the parent's death (``PR_SET_PDEATHSIG``, Linux), which only wakes us up to compare
our parent's process id with the one we were started by; elsewhere the same comparison is made twice
a second. The arbiter gets the same promise from us.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

#: ``-P`` keeps the working directory off the module path: a folder there may be called ``airflow``.
ARBITER_COMMAND: Final = (sys.executable, "-P", "-m", "airflow", "priority-spark", "arbiter")

#: How long the arbiter may take to end before it is killed; with the poll it stays below 5 s.
GRACE_SECONDS: Final = 4.0
POLL_SECONDS: Final = 0.5
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
#: An arbiter that lived this long was healthy: the next pause is the shortest again.
HEALTHY_SECONDS: Final = 30.0

_PR_SET_PDEATHSIG: Final = 1


def signal_at_parents_death(number: signal.Signals) -> Callable[[], None]:
    """Return a function that asks the kernel to send this process ``number`` when its parent dies.

    The library is loaded here and not in the returned function, which runs between fork and exec.
    See prctl(2); a no-op outside Linux.
    """
    if sys.platform != "linux":
        return lambda: None
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


class Supervisor:
    """Runs a command again and again until it is told to stop or its parent is gone.

    :param command: what to run and to restart.
    :param parent_pid: the process to end with.
    """

    def __init__(self, command: Sequence[str], parent_pid: int) -> None:
        self._command = list(command)
        self._parent_pid = parent_pid
        self._told_to_stop = False
        self._pause = FIRST_PAUSE_SECONDS
        self._wake_reader, self._wake_writer = os.pipe()

    def run(self) -> None:
        """Supervise until the end; returns when the command has ended too."""
        self._listen_to_signals()
        signal_at_parents_death(signal.SIGUSR1)()
        while not self._must_stop():
            child = self._start()
            started = time.monotonic()
            self._wait(functools.partial(_has_ended, child))
            if self._must_stop():
                self._end(child)
                break
            self._report(f"the arbiter (pid {child.pid}) {_how_it_ended(child.returncode)}")
            self._pause_before_restart(time.monotonic() - started)

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for number in (signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        # Every signal writes a byte here, so a wait ends at once and no signal falls between a check
        # and the wait that follows it.
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)

    def _stop(self, *_: object) -> None:
        self._told_to_stop = True

    def _must_stop(self) -> bool:
        return self._told_to_stop or os.getppid() != self._parent_pid

    def _start(self) -> subprocess.Popen[bytes]:
        supervisor_pid, arm = os.getpid(), signal_at_parents_death(signal.SIGTERM)

        def before_exec() -> None:
            arm()
            if os.getppid() != supervisor_pid:
                os._exit(1)

        # This process has one thread, so a function between fork and exec is safe.
        child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, preexec_fn=before_exec)  # noqa: PLW1509
        self._report(f"started the arbiter (pid {child.pid})")
        return child

    def _wait(self, done: Callable[[], bool], seconds: float = float("inf")) -> None:
        """Return when ``done()``, when we must stop, or after ``seconds``."""
        until = time.monotonic() + seconds
        while not done() and not self._must_stop() and (left := until - time.monotonic()) > 0:
            select.select([self._wake_reader], [], [], min(left, POLL_SECONDS))
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_reader, 4096)

    def _pause_before_restart(self, lived: float) -> None:
        if lived >= HEALTHY_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        self._report(f"starting it again in {self._pause:g} s")
        self._wait(lambda: False, self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._report(f"the arbiter (pid {child.pid}) did not end within {GRACE_SECONDS:g} s, killing it")
            child.kill()
            child.wait()
        self._report(f"the arbiter (pid {child.pid}) {_how_it_ended(child.returncode)}")

    @staticmethod
    def _report(line: str) -> None:
        # Whoever read the scheduler's output may have died with it.
        with contextlib.suppress(OSError):
            print(f"priority-spark supervisor | {line}", file=sys.stderr, flush=True)


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    return child.poll() is not None


def _how_it_ended(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit code {returncode}"


def main(arguments: Sequence[str]) -> None:
    """Supervise an arbiter for the process whose id is the first argument.

    Anything after it replaces the arbiter's command.
    """
    parent_pid, *command = arguments
    Supervisor(command or ARBITER_COMMAND, int(parent_pid)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
