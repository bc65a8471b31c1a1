# SPDX-License-Identifier: Apache-2.0
"""An arbiter as a process: it answers Prometheus itself, and tells StatsD what it counts."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace

import pytest

from airflow_priority_spark.arbiter import process
from airflow_priority_spark.settings import Settings
from demo.site import free_port

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def statsd():
    """A listener on UDP as StatsD is one: its port, and the lines that have come."""
    lines: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.2)
        done = threading.Event()

        def listen() -> None:
            while not done.is_set():
                try:
                    lines.extend(listener.recv(65535).decode().splitlines())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield listener.getsockname()[1], lines
        done.set()
        thread.join()


def read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return answer.read().decode()


def test_a_real_arbiter_answers_prometheus_and_tells_statsd_each_event_once(
    site, session, database, statsd, tmp_path
):
    port, (udp, lines) = free_port(), statsd
    environment = database.environment(
        AIRFLOW__PRIORITY_SPARK__METRICS_ARBITER_PORT=str(port),
        AIRFLOW__PRIORITY_SPARK__METRICS_BIND_ADDRESS="127.0.0.1",
        AIRFLOW__METRICS__STATSD_ON="True",
        AIRFLOW__METRICS__STATSD_HOST="127.0.0.1",
        AIRFLOW__METRICS__STATSD_PORT=str(udp),
        AIRFLOW__METRICS__STATSD_PREFIX="airflow",
        AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED="True",
    )
    log = tmp_path / "arbiter.log"
    with log.open("wb") as output:
        arbiter = subprocess.Popen(
            [sys.executable, "-m", "airflow", "priority-spark", "arbiter"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        told = wait(lambda: [line for line in lines if "queued_jobs" in line], arbiter, log)
        text = wait(lambda: leading(port), arbiter, log)
    finally:
        arbiter.send_signal(signal.SIGTERM)
        assert arbiter.wait(30) == 0
    # Two jobs came to the pool high and five to normal: each line has its tags, and comes once.
    assert {line.partition(":")[0] for line in told} == {
        "airflow.priority_spark.queued_jobs,pool=high,namespace=team-a",
        "airflow.priority_spark.queued_jobs,pool=normal,namespace=team-a",
    }
    assert sorted(line.partition(":")[2] for line in told) == ["2|c", "5|c"]
    assert any(line.startswith("airflow.priority_spark.finished_jobs,") for line in lines)
    assert "priority_spark_arbiter_leading 1.0" in text
    assert 'priority_spark_queued_jobs_total{cluster="spark-prod",namespace="team-a",pool="high"} 2.0' in text


def leading(port: int) -> str:
    text = read(port)
    return text if "priority_spark_arbiter_leading 1.0" in text else ""


def wait(find, arbiter, log, seconds: float = 150.0):
    end = time.monotonic() + seconds
    while True:
        try:
            if found := find():
                return found
        except OSError:
            pass
        assert arbiter.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)


def test_a_port_that_is_taken_stops_no_arbiter(site, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = replace(Settings(), metrics_arbiter_port=port, metrics_bind_address="127.0.0.1")
        with process._exporter(settings):
            pass
    assert "This arbiter exports no metrics: address and port" in caplog.text
    assert f"127.0.0.1:{port}" in caplog.text
