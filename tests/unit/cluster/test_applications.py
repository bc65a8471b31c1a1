# SPDX-License-Identifier: Apache-2.0
"""SparkApplications are read and deleted by identity."""

import pytest

from airflow_priority_spark.cluster.applications import (
    Deletion,
    application,
    delete_application,
    get_application,
)
from airflow_priority_spark.errors import ClusterUnavailable, PermissionMissing

PATH = "/apis/sparkoperator.k8s.io/v1beta2/namespaces/team-a/sparkapplications/pi"
RAW = {
    "metadata": {
        "namespace": "team-a",
        "name": "pi",
        "uid": "u-1",
        "creationTimestamp": "1970-01-01T00:01:00Z",
        "labels": {"priority-spark/instance": "airflow-1", "priority-spark/job": "job-1"},
    },
    "status": {
        "applicationState": {"state": "FAILED", "errorMessage": "driver container failed"},
        "driverInfo": {"podName": "pi-driver"},
    },
}


def test_an_application_tells_state_driver_error_and_whose_it_is():
    view = application(RAW)

    assert (view.namespace, view.name, view.uid, view.created) == ("team-a", "pi", "u-1", 60.0)
    assert (view.state, view.driver_pod, view.error) == ("FAILED", "pi-driver", "driver container failed")
    assert (view.terminal, view.deleting, view.instance_id) == (True, False, "airflow-1")


def test_an_application_the_operator_has_not_looked_at_is_just_there():
    raw = {
        "metadata": {"namespace": "a", "name": "b", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    }
    view = application(raw)

    assert (view.state, view.terminal, view.deleting, view.instance_id) == ("", False, True, None)


@pytest.mark.parametrize("state", ["FAILING", "SUBMISSION_FAILED", "PENDING_RERUN", "SUCCEEDING", "INVENTED"])
def test_only_completed_and_failed_are_terminal(state):
    raw = {**RAW, "status": {"applicationState": {"state": state}}}

    assert not application(raw).terminal


def test_get_reads_one_application(api):
    api.on(PATH, lambda request: request.reply(RAW))

    assert get_application(api.connection, "team-a", "pi") == application(RAW)


def test_get_returns_none_when_there_is_none(api):
    api.on(PATH, lambda request: request.refuse(404, 'sparkapplications "pi" not found'))

    assert get_application(api.connection, "team-a", "pi") is None


def test_a_deletion_names_the_uid_and_takes_the_pods_along(api):
    bodies = []

    def accept(request):
        bodies.append(request.body)
        request.reply({"kind": "Status", "status": "Success"})

    api.on(PATH, accept)

    assert delete_application(api.connection, "team-a", "pi", "u-1") is Deletion.REQUESTED
    assert bodies[0]["preconditions"] == {"uid": "u-1"}
    assert bodies[0]["propagationPolicy"] == "Background"


@pytest.mark.parametrize(("code", "result"), [(404, Deletion.ALREADY_GONE), (409, Deletion.REPLACED)])
def test_a_deletion_that_finds_nothing_of_ours_is_a_fine_end(api, code, result):
    api.on(PATH, lambda request: request.refuse(code, "no such thing"))

    assert delete_application(api.connection, "team-a", "pi", "u-1") is result


def test_a_deletion_that_is_not_allowed_says_what_to_grant(api):
    said = 'sparkapplications "pi" is forbidden: User "arbiter" cannot delete resource "sparkapplications"'
    api.on(PATH, lambda request: request.refuse(403, said))

    with pytest.raises(PermissionMissing) as caught:
        delete_application(api.connection, "team-a", "pi", "u-1")
    assert str(caught.value) == (
        f"cannot delete sparkapplications.sparkoperator.k8s.io pi in namespace team-a of {api.connection}: "
        f'the API server says "{said}". Grant the verb delete on sparkapplications.sparkoperator.k8s.io in '
        "namespace team-a to arbiter."
    )


def test_a_server_error_is_raised_so_that_the_caller_repeats(api):
    api.on(PATH, lambda request: request.refuse(503, "apiserver is shutting down"))

    with pytest.raises(ClusterUnavailable, match=r'"apiserver is shutting down" \(HTTP 503\)'):
        delete_application(api.connection, "team-a", "pi", "u-1")
