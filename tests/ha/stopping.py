# SPDX-License-Identifier: Apache-2.0
"""Runs an arbiter that stops itself, by SIGSTOP, at one exact point of its first cycle that admits.

``STOP_AT`` names the point: ``before`` apply's transaction, ``inside`` it when everything is written and
nothing is committed, or ``after`` it, before the rest of the cycle. Whoever wakes it (SIGCONT) sees it go on
from there, with all it believes.
"""

from __future__ import annotations

import os
import signal
import sys

POINT = os.environ["STOP_AT"]
_stopped = False


def stop() -> None:
    """Stop this process, once."""
    global _stopped  # noqa: PLW0603 - one process, one stop
    if not _stopped:
        _stopped = True
        os.kill(os.getpid(), signal.SIGSTOP)


def main() -> None:
    """Put the stop in its place and run the command line's arbiter."""
    from airflow.__main__ import main as airflow

    from airflow_priority_spark.arbiter import apply as applying
    from airflow_priority_spark.arbiter import loop

    real_apply, real_deliver = loop.apply, applying.deliver
    admits = False

    def apply(context, leadership, picture, decisions, decide, now):
        nonlocal admits
        admits = bool(decisions.admissions)
        if admits and POINT == "before":
            stop()
        applied = real_apply(context, leadership, picture, decisions, decide, now)
        if applied.admitted and POINT == "after":
            stop()
        return applied

    def deliver(context, session, queues, now):
        told = real_deliver(context, session, queues, now)
        session.flush()
        if admits and POINT == "inside":
            stop()
        return told

    loop.apply, applying.deliver = apply, deliver
    sys.argv = ["airflow", "priority-spark", "arbiter"]
    airflow()


if __name__ == "__main__":
    main()
