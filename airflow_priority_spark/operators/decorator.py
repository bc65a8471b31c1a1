# SPDX-License-Identifier: Apache-2.0
"""``@task.priority_spark``: a function that returns the application to run.

As with the stock provider's ``@task.kubernetes_cmd``, the function says what is to run and does not run
itself. It is called each time the task is on a worker, because the manifest never leaves a worker; so it
should return the same for the same arguments, and do nothing else. What it returns is taken as it is, without
templates: it has its arguments and, like every task function, Airflow's context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.decorator import DecoratedOperator, determine_kwargs, task_decorator_factory
from airflow.sdk.definitions.context import context_merge

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import TaskDecorator

#: Arguments of the operator for which the function stands.
_RETURNED = ("application_file", "template_spec")


class _DecoratedPrioritySparkOperator(DecoratedOperator, PrioritySparkKubernetesOperator):
    custom_operator_name = "@task.priority_spark"
    template_fields = [  # noqa: RUF012 - as the operator's
        *DecoratedOperator.template_fields,
        *(name for name in PrioritySparkKubernetesOperator.template_fields if name not in _RETURNED),
    ]

    def __init__(self, *, python_callable: Callable[..., Any], **kwargs: Any) -> None:
        for name in _RETURNED:
            if kwargs.get(name) is not None:
                raise TypeError(f"{name} is what the function of @task.priority_spark returns; drop it here")
        super().__init__(python_callable=python_callable, **kwargs)

    def execute(self, context: Context) -> Any:
        """Call the function, then ask for a place in the queue."""
        self._call(context)
        return super().execute(context)

    def resume_admitted(
        self, context: Context, event: Any = None, demand: dict[str, Any] | None = None
    ) -> None:
        """Call the function, then create the application."""
        self._call(context)
        super().resume_admitted(context, event, demand)

    def resume_finished(self, context: Context, event: Any = None) -> Any:
        """Call the function, for a job that returns to the queue, then end the task."""
        self._call(context)
        return super().resume_finished(context, event)

    def _call(self, context: Context) -> None:
        context_merge(context, self.op_kwargs)
        known = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self.python_callable(*self.op_args, **known)
        if not isinstance(returned, str | Mapping) or not returned:
            what = f"the return value of {self.python_callable.__name__}"
            with self._clear_failures():
                raise InvalidManifest(
                    what, returned, "a SparkApplication as a mapping, or as YAML or JSON text"
                )
        self.application_file = returned


def priority_spark_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a task of a function that returns a SparkApplication.

    :param python_callable: the function.
    :param kwargs: what ``PrioritySparkKubernetesOperator`` takes, but for the application itself.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        decorated_operator_class=_DecoratedPrioritySparkOperator,
        **kwargs,
    )
