# SPDX-License-Identifier: Apache-2.0
"""Completion of the shell: Airflow gives its parser to argcomplete, so all that is described completes."""

from argcomplete.finders import CompletionFinder


def completed(line: str) -> set[str]:
    """Return what the shell offers at the end of a line; argcomplete spoils the parser it works on."""
    from airflow.cli.cli_parser import get_parser

    *words, begun = line.split(" ")
    parser = get_parser.__wrapped__()
    offered = CompletionFinder(parser, always_complete_options=True)._get_completions(words, begun, "", None)
    return {word.strip() for word in offered}


def test_commands_are_completed():
    assert {"capacity", "job", "queue", "status"} <= completed("airflow priority-spark ")
    assert {
        *("list", "show", "explain", "events", "move", "priority"),
        *("hold", "release", "cancel", "requeue", "legacy"),
    } <= completed("airflow priority-spark job ")
    assert {"show", "pause", "drain", "resume"} <= completed("airflow priority-spark queue ")
    assert completed("airflow priority-spark job ex") == {"explain"}


def test_options_and_what_they_may_be_are_completed():
    assert {"--watch", "--output"} <= completed("airflow priority-spark capacity --")
    assert completed("airflow priority-spark job events --f") == {"--follow"}
    assert completed("airflow priority-spark job list --state q") == {"queued"}
    assert {"json", "yaml", "table", "plain"} <= completed("airflow priority-spark status -o ")
