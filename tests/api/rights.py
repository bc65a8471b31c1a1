# SPDX-License-Identifier: Apache-2.0
"""Every route of the API, asked in turn, and what became of it: a table of who may do what."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping

from airflow_priority_spark.api.app import create_app
from airflow_priority_spark.scheduling.jobs import HeldReason
from tests.api.acts import API, REASON, picture, waiting_task

#: What changes a job: whoever may edit the runs of its DAG.
ACTS = {
    *(("POST", f"/jobs/{{job_id}}/{act}") for act in ("hold", "release", "requeue", "cancel", "legacy")),
    ("PATCH", "/jobs/{job_id}"),
    ("POST", "/jobs/bulk"),
}
#: What changes that which belongs to everybody: an administrator.
OF_ADMINISTRATORS = {
    ("PATCH", "/queues/{queue_id}"),
    *(("POST", f"/queues/{{queue_id}}/{act}") for act in ("pause", "drain", "resume")),
    *((method, "/queues/{queue_id}/pools/{name}") for method in ("PATCH", "PUT", "DELETE")),
    ("POST", "/flows/migrate"),
}
_BODIES: Mapping[tuple[str, str], dict] = {
    ("PATCH", "/jobs/{job_id}"): {"pool": "high"},
    ("PATCH", "/queues/{queue_id}"): {"weight": 2},
    ("PATCH", "/queues/{queue_id}/pools/{name}"): {"weight": 2},
    ("PUT", "/queues/{queue_id}/pools/{name}"): {"weight": 2},
    ("POST", "/flows/migrate"): {"scope": "site", "to": "observe", "dry_run": True},
}
_HELD = {"release": HeldReason.PERSON, "requeue": HeldReason.TIMEOUT}
_numbers = itertools.count()


def routes() -> list[tuple[str, str]]:
    """Return method and path of every operation, as the API's own description has them."""
    paths = create_app().openapi()["paths"]
    return [
        (method.upper(), path.removeprefix("/api/v1")) for path, found in paths.items() for method in found
    ]


def expected(route: tuple[str, str], *, reads: bool, acts: bool, administers: bool) -> str:
    """Return what becomes of a route for somebody with these rights."""
    if route == ("POST", "/jobs/bulk"):
        return ("done" if acts else "none of them") if reads else "forbidden"
    needed = acts if route in ACTS else administers if route in OF_ADMINISTRATORS else reads
    return "done" if needed else "forbidden"


def tried(site, user: str | None, route: tuple[str, str]) -> str:
    """Ask for a route with a job and a queue that it makes sense for; say what became of it.

    ``done``, ``none of them`` (a bulk act left out the only job it named), ``forbidden``, ``not signed in``;
    after the latter three nothing is otherwise than before.
    """
    method, template = route
    # A path that has a queue and a pool, or a job of its own.
    task = f"task-{next(_numbers)}"
    job_id = waiting_task(site, task, held=_HELD.get(template.rpartition("/")[2]))
    path = template.format(
        job_id=job_id,
        queue_id=site.queue(),
        name="high" if method == "PATCH" else "urgent",
        dag_id="etl",
        run_id="run-1",
        task_id=task,
        map_index=-1,
    )
    body = {"reason": REASON, **_BODIES.get(route, {})}
    if template == "/jobs/bulk":
        body |= {"action": "hold", "ids": [job_id]}
    before = picture(site)
    with site.client(user) as client:
        answer = client.request(method, API + path, json=None if method in ("GET", "HEAD") else body)
    said = _said(answer, {200, 201, 202})
    if said != "done":
        assert picture(site) == before, (user, route)
    return said


def _said(answer, done: Collection[int]) -> str:
    if answer.status_code in done:
        content = answer.headers.get("content-type", "")
        named = answer.json() if content == "application/json" and answer.content else {}
        return "none of them" if named.get("changed") == 0 and named.get("refused") else "done"
    return {401: "not signed in", 403: "forbidden"}.get(
        answer.status_code, f"{answer.status_code} {answer.text}"
    )
