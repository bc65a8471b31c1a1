# SPDX-License-Identifier: Apache-2.0
"""Pure decisions: who starts now, who waits, and for what.

State in, results out, to be applied by the caller::

    resources   exact amounts                    model    the snapshot, the verdicts, the decisions
    order       who comes first                  jobs     the states of a job
    usage       what pods and grants take        capacity what quotas let in
    nodes       free room, ordered               placement all pods of a job, or none
    shares      turns and dominant shares        heads    lines, clocks, protection
    room        one cluster's working copy       cycle    decide(snapshot, now)

Nothing here reads a clock, a file, a socket or a random number, and nothing imports more than the
standard library.
"""
