# SPDX-License-Identifier: Apache-2.0
"""What the doctor says about the database and Airflow: one test per finding, with how to mend it."""

from __future__ import annotations

import datetime
import http.server
import threading

import pytest
from airflow.jobs.job import Job, JobState
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from airflow_priority_spark.cli import doctor_airflow, doctor_database
from airflow_priority_spark.cli.doctor_findings import Finding, clock, exit_code
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.snapshots import save_summary


def now():
    return datetime.datetime.now(datetime.UTC)


@pytest.fixture
def report(monkeypatch):
    """Let the doctor look, and return (exit code, findings by check and subject)."""
    # The command sets it for its own process.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")

    def look():
        from airflow_priority_spark.cli.doctor import look

        found = list(look())
        return exit_code(found), {(item.check, item.subject): item for item in found}

    return look


def test_warnings_do_not_fail_and_a_problem_does():
    ok, warning = Finding("a", "b", "ok", ""), Finding("a", "b", "warning", "")
    assert exit_code([ok, warning]) == 0
    assert exit_code([ok, Finding("a", "b", "problem", "")]) == 1


def test_the_command_prints_every_finding_and_ends_with_the_exit_code(airflow, database, monkeypatch, capsys):
    import json

    from airflow.cli.cli_parser import get_parser

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    for output in ("json", "yaml", "table"):
        arguments = get_parser().parse_args(["priority-spark", "doctor", "-o", output])
        with pytest.raises(SystemExit) as ended:
            arguments.func(arguments)
        assert ended.value.code == 1, "no arbiter leads"
        said = capsys.readouterr().out
        assert "no arbiter leads" in said
        if output == "json":
            assert set(json.loads(said)[0]) == {"check", "subject", "result", "found", "mend"}


def test_a_database_that_does_not_answer_is_named_and_ends_the_look_at_it(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/no/such/folder/airflow.db")
    found = doctor_database.answers(Session(engine))
    assert found.result == "problem"
    assert found.found == "Airflow's database does not answer: unable to open database file"
    assert found.mend.startswith(
        "Check that the server runs and that [database] sql_alchemy_conn leads to it"
    )


def test_a_database_for_one_machine_says_so(session):
    found = doctor_database.answers(session)
    assert (found.result, "several schedulers or arbiters need PostgreSQL" in found.found) == ("ok", True)


def test_tables_of_another_version_say_which_command_to_run(session):
    assert doctor_database.migrations(session).result == "ok"
    session.execute(text("UPDATE priority_spark_alembic_version SET version_num = '0001'"))
    found = doctor_database.migrations(session)
    assert found.result == "problem"
    assert "are at revision 0001, this version needs" in found.found
    assert found.mend == "Run: airflow db migrate"


def test_tables_that_are_missing_are_a_problem_and_nothing_after_them_is_asked(empty_database, report):
    code, found = report()
    assert code == 1
    assert found["migrations", "tables"].found.startswith("the tables of Priority Spark are missing")
    assert ("arbiter", "leader") not in found


@pytest.mark.parametrize(
    ("seconds", "result", "words"),
    [
        (0.2, "ok", "within 0.5 s of this machine's"),
        (1.0, "warning", "1.0 s ahead of this machine's"),
        (-7.0, "problem", "7.0 s behind this machine's"),
    ],
)
def test_a_clock_that_goes_wrong_is_judged_by_how_far(seconds, result, words):
    found = clock("database", seconds, warn_at=0.5, problem_at=2.0, mend="Let NTP keep it.")
    assert (found.result, found.found) == (result, words)
    assert bool(found.mend) is (result != "ok")


def test_the_doctor_knows_whether_anybody_leads(session, leader):
    alone = doctor_database.leader(session, Settings(), now())
    assert (alone.result, alone.found) == ("problem", "no arbiter leads: jobs wait for ever")
    assert alone.mend.startswith("Start a scheduler, which starts an arbiter")
    standalone = doctor_database.leader(session, Settings(arbiter="standalone"), now())
    assert standalone.mend == "Run: airflow priority-spark arbiter"
    off = doctor_database.leader(session, Settings(arbiter="off"), now())
    assert (off.result, off.found) == (
        "warning",
        "[priority_spark] arbiter is off: every task goes straight to the cluster",
    )
    assert off.mend == "Set it to scheduler or standalone to queue jobs."

    leader("host/1/abc")
    session.rollback()
    stuck = doctor_database.leader(session, Settings(), now())
    assert (stuck.result, stuck.found) == ("problem", "host/1/abc leads but has finished no cycle ever")
    assert stuck.mend == "Read its log for what a cycle fails with, then restart it."
    save_summary(session, {}, now() - datetime.timedelta(seconds=90))
    assert doctor_database.leader(session, Settings(), now()).found.endswith("finished no cycle for 90 s")
    save_summary(session, {}, now())
    assert doctor_database.leader(session, Settings(), now()).result == "ok"


def test_connections_that_lead_nowhere_are_named(session):
    save_summary(session, {"unresolved": {"spark": "no such host"}}, now())
    [found] = doctor_database.unresolved(session, now())
    assert (found.subject, found.found) == (
        "connection spark",
        "jobs of it wait outside the queue: no such host",
    )
    assert found.mend.startswith("Correct the Airflow connection where the arbiter looks it up")


def test_an_airflow_of_another_shape_is_a_problem(monkeypatch):
    from airflow.models import trigger

    assert doctor_airflow.resume_api().result == "ok"
    monkeypatch.delattr(trigger, "handle_event_submit")
    found = doctor_airflow.resume_api()
    assert found.result == "problem"
    assert "airflow.models.trigger.handle_event_submit is missing" in found.found
    assert found.mend.startswith("Upgrade airflow-provider-priority-spark")


def test_a_scheduler_and_a_triggerer_must_live(session):
    scheduler, triggerer = doctor_airflow.processes(session)
    assert scheduler.found == "none is alive: nothing starts"
    assert scheduler.mend == "Run: airflow scheduler"
    assert triggerer.found == "none is alive: nobody learns that an application has ended"
    assert triggerer.mend == "Run: airflow triggerer"

    for job_type, age in (("SchedulerJob", 0), ("TriggererJob", 3600)):
        job = Job(job_type=job_type, state=JobState.RUNNING, hostname="host-1")
        job.latest_heartbeat = now() - datetime.timedelta(seconds=age)
        session.add(job)
    session.flush()
    scheduler, triggerer = doctor_airflow.processes(session)
    assert (scheduler.result, scheduler.found) == ("ok", "lives on host-1")
    assert (triggerer.result, "; the last heartbeat was at 20" in triggerer.found) == ("problem", True)


def test_an_executor_that_cannot_be_loaded_is_a_problem(monkeypatch):
    from airflow.executors import executor_loader

    def fails():
        raise ModuleNotFoundError("No module named 'nowhere'")

    assert doctor_airflow.executor().result == "ok"
    monkeypatch.setattr(executor_loader.ExecutorLoader, "import_default_executor_cls", fails)
    found = doctor_airflow.executor()
    assert found.found == "[core] executor = LocalExecutor cannot be loaded: No module named 'nowhere'"
    assert found.mend == "Correct [core] executor, or install the provider that brings it."


def test_an_execution_api_that_does_not_answer_is_a_problem(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:1/execution/")
    found = doctor_airflow.execution_api()
    assert found.result == "problem"
    assert found.found.startswith("http://127.0.0.1:1/execution/ does not answer: ")
    assert found.mend.startswith("Start airflow api-server, or correct [core] execution_api_server_url")


def test_an_execution_api_that_answers_is_fine(monkeypatch):
    asked = []

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/execution/"
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", url)
        assert doctor_airflow.execution_api().result == "ok"
    assert asked == ["/execution/health"]


def test_a_settle_time_below_the_workers_heartbeat_is_warned_of():
    assert doctor_airflow.settling(Settings()).result == "ok"
    found = doctor_airflow.settling(Settings(settle_seconds=3.0))
    assert found.result == "warning"
    assert "settle_seconds = 3 is not above [workers] min_heartbeat_interval = 5" in found.found
    assert found.mend == "Set [priority_spark] settle_seconds to 7."


def test_a_wrong_option_is_a_problem_and_the_rest_is_looked_at_still(database, report, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__LEASE_SECONDS", "soon")
    code, found = report()
    wrong = found["configuration", "[priority_spark]"]
    assert code == 1
    assert wrong.found.startswith("[priority_spark] lease_seconds: 'soon' is not valid")
    assert wrong.mend.startswith("Correct the option in airflow.cfg or the environment")
    assert found["migrations", "tables"].result == "ok"


def test_without_a_connection_the_default_one_is_missed(database, report):
    _, found = report()
    missed = found["cluster", "kubernetes_default"]
    assert missed.result == "problem"
    assert "kubernetes_conn_id: 'kubernetes_default' is not valid" in missed.found
    assert missed.mend == "Correct the Airflow connection."
