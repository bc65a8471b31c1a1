# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark demand``: what a SparkApplication asks for, and why; no cluster, no database."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from airflow.utils.cli import suppress_logs_and_warning

from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import Row, print_document, print_rows
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.model import PodSet, Toleration
from airflow_priority_spark.scheduling.resources import CPU, MEMORY, PODS, Resources, format_amount
from airflow_priority_spark.spark.demand import DemandResult, compute_demand, demand_document
from airflow_priority_spark.spark.manifest import validate_manifest
from airflow_priority_spark.spark.reading import parse_version


@suppress_logs_and_warning
@in_one_line
def show_demand(args: Namespace) -> None:
    """Print the demand of a manifest in a file, or on standard input."""
    manifest = _rendered(_read(args.file))
    validate_manifest(manifest)
    if args.spark_version and parse_version(args.spark_version) is None:
        raise InvalidInput("--spark-version", args.spark_version, "a version such as 3.5 or 4.0.1")
    result = compute_demand(manifest, reserve=args.reserve, spark_version=args.spark_version)
    if args.output in ("json", "yaml"):
        print_document(demand_document(result), args.output)
        return
    print_rows(_rows(result), args.output)
    print_rows([{"why": line} for line in result.explain], args.output)
    if result.warnings:
        print_rows([{"warning": line} for line in result.warnings], args.output)


def _read(name: str) -> Any:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("FILE", name, f"a file that can be read, or - ({error})") from None
    except yaml.YAMLError as error:
        raise InvalidInput("FILE", name, f"YAML or JSON ({' '.join(str(error).split())})") from None
    if len(documents) != 1:
        raise InvalidInput("FILE", name, f"one manifest; it holds {len(documents)}")
    return documents[0]


def _rendered(body: Any) -> Any:
    """Return the manifest of a plain file, or of the stock operator's two sections."""
    if isinstance(body, Mapping) and isinstance(body.get("spark"), Mapping):
        from airflow_priority_spark.operators.rendering import render_manifest

        return render_manifest(body)
    return body


def _rows(result: DemandResult) -> list[Row]:
    rows: list[Row] = []
    claimed = Resources()
    for pods in result.demand.pod_sets:
        claims = result.claims.get(pods.name, Resources())
        claimed = claimed + claims * pods.count
        rows.append(_row(f"one {pods.name}", pods.count, pods.requests + claims, _places(pods)))
    total = result.demand.total()
    rows.append(_row("total", total[PODS], total + claimed, ""))
    return rows


def _row(name: str, count: int, amounts: Resources, places: str) -> Row:
    """Return a row for people; what claims charge per storage class would only repeat their sum."""
    others = {
        key.removeprefix("requests."): amount
        for key, amount in amounts.items()
        if key not in (CPU, MEMORY, PODS) and ".storageclass." not in key
    }
    return {
        "": name,
        "pods": count,
        "cpu": format_amount(CPU, amounts[CPU]),
        "memory": format_amount(MEMORY, amounts[MEMORY]),
        "other resources": Resources(others),
        "constraints": places,
    }


def _places(pods: PodSet) -> str:
    selected = [f"{name}={value}" for name, value in pods.node_selector]
    return ", ".join([*selected, *(f"tolerates {_tolerated(item)}" for item in pods.tolerations)])


def _tolerated(toleration: Toleration) -> str:
    value = f"={toleration.value}" if toleration.value else ""
    return f"{toleration.key or 'every taint'}{value} {toleration.effect}".strip()
