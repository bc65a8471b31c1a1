# SPDX-License-Identifier: Apache-2.0
"""The declared permissions are those that the code uses: no more, and no fewer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from airflow_priority_spark.cluster import kinds

PACKAGE = Path(kinds.__file__).parents[1]
ROOMS = ("cluster", "operators", "triggers", "arbiter")
REQUESTS = {"request_json", "open_response"}
METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "patch": "PATCH",
    "delete": "DELETE",
}
KINDS = {name for name, value in vars(kinds).items() if isinstance(value, kinds.Kind)}


def functions():
    for room in ROOMS:
        for path in sorted((PACKAGE / room).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef):
                    yield node


def names(node):
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}


def methods(function):
    """The HTTP methods of the requests that a function makes."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in REQUESTS]
    return {
        argument.value
        for call in made
        for argument in call.args
        if isinstance(argument, ast.Constant) and argument.value in METHODS.values()
    }


def asked_for():
    """(HTTP method, kind) of every request in the rooms that talk to a cluster."""
    asked = set()
    for function in functions():
        for method in methods(function):
            mentioned = names(function) & KINDS
            logs = "PODS" in mentioned and any(
                isinstance(node, ast.Constant) and node.value == "/log" for node in ast.walk(function)
            )
            asked |= {(method, "POD_LOGS" if logs else name) for name in mentioned}
        # Watches are made of a kind, and applications that are pods are deleted as such.
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in ("_cover", "Reflector"):
                asked |= {("GET", kind) for kind in names(call) & KINDS}
    return asked


def declared():
    by_kind = {getattr(kinds, name): name for name in KINDS}
    table = (*kinds.PERMISSIONS, *kinds.WORKER_PERMISSIONS)
    return {(METHODS[item.verb], by_kind[item.kind]) for item in table}


def test_every_request_of_the_code_has_its_permission_in_the_tables():
    assert asked_for() - declared() == set()


def test_every_permission_in_the_tables_is_for_a_request_of_the_code():
    # ``delete_application`` is given the kind of what it deletes: see ``job_pods``.
    by_parameter = {("DELETE", "PODS")}
    assert declared() - asked_for() - by_parameter == set()


@pytest.mark.parametrize("table", [kinds.PERMISSIONS, kinds.WORKER_PERMISSIONS], ids=["arbiter", "worker"])
def test_no_permission_is_declared_twice_and_each_says_what_it_is_for(table):
    rights = [(item.verb, item.kind, item.name) for item in table]
    assert len(rights) == len(set(rights))
    assert all(item.why for item in table)
