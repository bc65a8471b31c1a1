# SPDX-License-Identifier: Apache-2.0
"""``make conformance KUBECONFIG=…``: the same requests to the embedded cluster and to another, compared.

With ``--record`` the answers of the other one become the recording that CI compares with.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import urllib3

from airflow_priority_spark.embedded.process import EmbeddedCluster
from tests.cluster.conformance.builtin_types import record_types
from tests.cluster.conformance.chapters import CHAPTERS
from tests.cluster.conformance.comparison import acceptances, differences
from tests.cluster.conformance.runner import Server
from tests.cluster.conformance.setting import has_nodes, prepared

RECORDED = Path(__file__).with_name("recorded")


def main() -> int:
    """Run; returns 1 when a difference is not accepted."""
    arguments = _arguments()
    theirs = Server(arguments.kubeconfig)
    chapters = arguments.chapter or list(CHAPTERS)
    if "scheduling" in chapters and has_nodes(theirs):
        print("without the scheduling chapter: the other cluster has nodes, which its sentences would count")
        chapters.remove("scheduling")
    print(f"real: {theirs.version()}; {sum(len(CHAPTERS[name]) for name in chapters)} requests")
    # Asked for with the kubeconfig; the warning would come with every request.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedCluster.start(Path(directory), runtime="simulated", bare=True) as cluster,
        prepared(theirs),
    ):
        if arguments.record:
            record_types(theirs)
        ours = Server(cluster.kubeconfig)
        failures = sum(_compare(name, theirs, ours, record=arguments.record) for name in chapters)
    print(f"{failures} differences that are not accepted")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="of the other cluster")
    parser.add_argument("--record", action="store_true", help="keep its answers and its types")
    parser.add_argument("--chapter", action="append", choices=CHAPTERS, help="only this chapter; repeatable")
    return parser.parse_args()


def _compare(chapter: str, theirs: Server, ours: Server, *, record: bool) -> int:
    real = theirs.perform(CHAPTERS[chapter])
    if record:
        _keep(chapter, theirs.version(), real)
    unaccepted, _ = differences(real, ours.perform(CHAPTERS[chapter]), acceptances())
    for difference in unaccepted:
        print(f"{chapter}: {difference}")
    return len(unaccepted)


def _keep(chapter: str, version: str, answers: dict[str, Any]) -> None:
    content = {"kubernetes": version, "answers": answers}
    (RECORDED / f"{chapter}.json").write_text(json.dumps(content, indent=1, sort_keys=False) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
