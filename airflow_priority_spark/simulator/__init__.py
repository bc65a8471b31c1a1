# SPDX-License-Identifier: Apache-2.0
"""What would happen if: jobs that arrive in time, and the same ``decide`` that the arbiter runs.

A question about weights, quotas or nodes is best answered before they are changed, and only an answer
from the real decision is worth anything. So this room holds no rule of its own. It keeps what the
arbiter keeps in tables (who waits, who runs, the credits and clocks of the pools), shows it to
``decide`` as a snapshot, and applies what comes back::

    workload    what arrives, and what it meets          ticks     time as integers
    run         instant after instant: end, arrive, decide, apply
    queues      one queue: its lines and what it uses    machines  nodes, and the pods bound to them
    outcome     what became of each job                  summary   what a run amounts to

Pure like ``scheduling``: no clock, no file, no database; one second of simulated time costs nothing.
"""
