# SPDX-License-Identifier: Apache-2.0
"""One DAG file: the stock operator's import and name changed, nothing else, and what a person must look at.

Works on the syntax tree with all its white space (libcst), so that what is not changed stays as it was
written. Names are followed from their import; text in strings is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import libcst as cst
from libcst import matchers as m
from libcst.helpers import get_full_name_for_node
from libcst.metadata import MetadataWrapper, PositionProvider

STOCK_MODULE: Final = "airflow.providers.cncf.kubernetes.operators.spark_kubernetes"
STOCK_CLASS: Final = "SparkKubernetesOperator"
OUR_MODULE: Final = "airflow_priority_spark.operators.spark_kubernetes"
OUR_CLASS: Final = "PrioritySparkKubernetesOperator"
SENSOR: Final = "SparkKubernetesSensor"

#: Option → what a person should know of it before the DAG runs with our operator.
ADVICE: Final = {
    "do_xcom_push": "returns which application it was and keeps it until its time to live is over; what a "
    "driver writes to /airflow/xcom is not read",
    "max_active_tis_per_dag": "keeps tasks out of the queue; with a queue it is rarely needed, remove it",
    "max_active_tis_per_dagrun": "keeps tasks out of the queue; with a queue it is rarely needed, remove it",
    "dagrun_timeout": "counts the time in the queue too; raise it or use execution_timeout on the task",
    "pool": "is kept, and its slots still limit how many tasks run; remove it if it stood in for the "
    "cluster's capacity",
    "pool_slots": "counts in an Airflow pool, which the queue does not need; remove it with the pool",
    "priority_weight": "orders tasks in Airflow only; set priority= to order them in the queue",
    "deferrable": "has no effect: a task always defers while it waits",
    "name": "has no effect: the application's name is made from DAG, task and job",
    "random_name_suffix": "has no effect: the application's name is made from DAG, task and job",
    "callbacks": "have no effect: no worker watches the driver pod",
    "startup_timeout_seconds": "no longer counts while the task waits for room; check its value",
}
#: Options that mean the same to every task are looked for in calls of the operator and in ``default_args``.
_OF_THE_DAG: Final = {"dagrun_timeout"}
_HARMLESS: Final = {("do_xcom_push", "False"), ("pool", '"default_pool"'), ("pool", "'default_pool'")}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person must decide.

    :param line: of the file, from 1.
    """

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A file after its change; ``source`` is the file's own when nothing changed.

    :param uses: whether the file uses the operator at all, under either name.
    """

    source: bytes
    changed: bool
    uses: bool
    findings: Sequence[Finding]


def rewrite(source: bytes) -> Rewritten:
    """Change a DAG file.

    :raises libcst.ParserSyntaxError: when it is no Python.
    """
    wrapper = MetadataWrapper(cst.parse_module(source))
    names = _Names()
    wrapper.visit(names)
    if not names.operators and not names.modules:
        return Rewritten(source, False, False, ())
    look = _Look(names)
    wrapper.visit(look)
    after = wrapper.module.visit(_Change(names)).bytes
    return Rewritten(after, after != source, True, sorted(look.findings, key=lambda found: found.line))


class _Names(cst.CSTVisitor):
    """Under which names a file knows the operator, and the module it is in.

    :ivar operators: names of the class, ours too; ``dotted``: its module imported by its full path.
    """

    def __init__(self) -> None:
        self.operators: set[str] = set()
        self.modules: set[str] = set()

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        module = _module(node)
        if isinstance(node.names, cst.ImportStar):
            return
        for alias in node.names:
            name = f"{module}.{alias.evaluated_name}"
            if name in (f"{STOCK_MODULE}.{STOCK_CLASS}", f"{OUR_MODULE}.{OUR_CLASS}"):
                self.operators.add(alias.evaluated_alias or alias.evaluated_name)
            elif name in (STOCK_MODULE, OUR_MODULE):
                self.modules.add(alias.evaluated_alias or alias.evaluated_name)

    def visit_Import(self, node: cst.Import) -> None:
        for alias in node.names:
            if alias.evaluated_name in (STOCK_MODULE, OUR_MODULE):
                self.modules.add(alias.evaluated_alias or alias.evaluated_name)

    def is_operator(self, node: cst.BaseExpression) -> bool:
        """Tell whether an expression is the class itself."""
        name = get_full_name_for_node(node) or ""
        module, _, last = name.rpartition(".")
        return name in self.operators or (module in self.modules and last in (STOCK_CLASS, OUR_CLASS))


class _Look(cst.CSTVisitor):
    """Collects what a person must look at."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, names: _Names) -> None:
        self._names = names
        self.findings: list[Finding] = []

    def visit_Call(self, node: cst.Call) -> None:
        called = node.func
        if m.matches(called, m.Attribute(attr=m.Name("partial") | m.Name("override"))):
            called = cst.ensure_type(called, cst.Attribute).value
        ours = self._names.is_operator(called)
        for argument in node.args:
            name = argument.keyword.value if argument.keyword else ""
            if (ours and name in ADVICE) or name in _OF_THE_DAG:
                self._option(name, argument.value)
        if (get_full_name_for_node(node.func) or "").rpartition(".")[2] == SENSOR:
            self._find(
                node,
                f"{SENSOR}: the operator itself waits for the end of its application; remove the sensor, or "
                "name the application by the operator's XCom (do_xcom_push=True)",
            )

    def visit_DictElement(self, node: cst.DictElement) -> None:
        if isinstance(node.key, cst.SimpleString) and node.key.raw_value in ADVICE:
            self._default(node.key.raw_value, node)

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        if any(self._names.is_operator(base.value) for base in node.bases):
            self._find(
                node,
                f"class {node.name.value}: methods of the stock operator that it overrides may not be called "
                "any more; compare it with docs/authors-guide.md",
            )

    def visit_Import(self, node: cst.Import) -> None:
        for alias in node.names:
            if alias.evaluated_name == STOCK_MODULE and alias.asname is None:
                self._find(node, "the import by its full path is left as it is; import the class instead")

    def _default(self, name: str, node: cst.DictElement) -> None:
        """Report an option in a mapping that can only be ``default_args`` or arguments of a task."""
        if name not in ("name", "pool"):
            self._option(name, node.value)

    def _option(self, name: str, value: cst.BaseExpression) -> None:
        written = cst.Module(()).code_for_node(value)
        if (name, written) not in _HARMLESS:
            self._find(value, f"{name}={written if len(written) <= 40 else '…'}: {ADVICE[name]}")

    def _find(self, node: cst.CSTNode, text: str) -> None:
        position: Any = self.get_metadata(PositionProvider, node)
        self.findings.append(Finding(position.start.line, text))


class _Change(cst.CSTTransformer):
    """Changes imports and names."""

    def __init__(self, names: _Names) -> None:
        self._names = names

    def leave_SimpleStatementLine(
        self,
        original_node: cst.SimpleStatementLine,  # noqa: ARG002 - libcst calls it with both
        updated_node: cst.SimpleStatementLine,
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        """Split an import that brings other names along."""
        if len(updated_node.body) != 1 or not isinstance(updated_node.body[0], cst.ImportFrom):
            return updated_node
        statement = updated_node.body[0]
        if _module(statement) not in (STOCK_MODULE, STOCK_MODULE.rpartition(".")[0]):
            return updated_node
        if isinstance(statement.names, cst.ImportStar):
            return updated_node
        moved = [alias for alias in statement.names if _moves(_module(statement), alias)]
        kept = [alias for alias in statement.names if alias not in moved]
        if not moved:
            return updated_node
        ours = updated_node.with_changes(body=[_our_import(statement, moved, alone=not kept)])
        if not kept:
            return ours
        rest = updated_node.with_changes(body=[statement.with_changes(names=_separated(kept))])
        return cst.FlattenSentinel([rest, ours.with_changes(leading_lines=())])

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        """Change the class's name where it is used; an alias stays."""
        if original_node.value == STOCK_CLASS and STOCK_CLASS in self._names.operators:
            return updated_node.with_changes(value=OUR_CLASS)
        return updated_node

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        """Change ``module.Class`` where the module's import was changed."""
        module = get_full_name_for_node(original_node.value) or ""
        if original_node.attr.value == STOCK_CLASS and module in self._names.modules and "." not in module:
            return updated_node.with_changes(attr=cst.Name(OUR_CLASS))
        return updated_node

    def leave_ImportAlias(
        self, original_node: cst.ImportAlias, updated_node: cst.ImportAlias
    ) -> cst.ImportAlias:
        """Change ``import … as name``; the full path alone is left to a person."""
        if original_node.evaluated_name == STOCK_MODULE and original_node.asname is not None:
            return updated_node.with_changes(name=_dotted(OUR_MODULE))
        return updated_node


def _module(node: cst.ImportFrom) -> str:
    return (get_full_name_for_node(node.module) or "") if node.module and not node.relative else ""


def _moves(module: str, alias: cst.ImportAlias) -> bool:
    """Tell whether an imported name is the class, under its new name by now, or its module."""
    name = f"{module}.{alias.evaluated_name}"
    return name in (f"{STOCK_MODULE}.{STOCK_CLASS}", f"{STOCK_MODULE}.{OUR_CLASS}", STOCK_MODULE)


def _our_import(
    statement: cst.ImportFrom, moved: Sequence[cst.ImportAlias], *, alone: bool
) -> cst.ImportFrom:
    """Return the import of what moved; ``alone``: nothing else stood in the statement."""
    is_class = _module(statement) == STOCK_MODULE
    module = OUR_MODULE if is_class else OUR_MODULE.rpartition(".")[0]
    name = OUR_CLASS if is_class else OUR_MODULE.rpartition(".")[2]
    names = [alias.with_changes(name=cst.Name(name)) for alias in moved]
    changed = statement.with_changes(module=_dotted(module), names=names)
    return changed if alone else changed.with_changes(names=_separated(names), lpar=None, rpar=None)


def _separated(names: Sequence[cst.ImportAlias]) -> list[cst.ImportAlias]:
    """Return names with a comma after each but the last."""
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    return [
        *(alias.with_changes(comma=comma) for alias in names[:-1]),
        names[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT),
    ]


def _dotted(name: str) -> cst.Attribute | cst.Name:
    head, _, last = name.rpartition(".")
    return cst.Attribute(_dotted(head), cst.Name(last)) if head else cst.Name(last)
