# SPDX-License-Identifier: Apache-2.0
"""Links at a task: to its queue, to the Spark UI of its running application, to the history server.

Airflow asks an operator's links for their address each time a worker lets go of the task, and keeps the
answer as an XCom. So the operator only notes what it has learned of its application; where no address is
configured the link leads nowhere and the UI does not offer it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from airflow_priority_spark import settings

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class QueueLink(BaseOperatorLink):
    """A view of the queue that the task waits in: ``[priority_spark] queue_url``."""

    name = "Spark queue"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address, empty before the task has asked for a place."""
        known = getattr(operator, "application_facts", {})
        return fill_in(settings.load().queue_url, known) if known.get("priority") else ""


class SparkUILink(BaseOperatorLink):
    """The Spark UI of the running application: ``[priority_spark] spark_ui_url``."""

    name = "Spark UI"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address, empty before there is an application."""
        known = getattr(operator, "application_facts", {})
        return fill_in(settings.load().spark_ui_url, known) if known.get("name") else ""


class SparkHistoryLink(BaseOperatorLink):
    """The ended application in the history server: ``[priority_spark] history_server_url``."""

    name = "Spark history"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address, empty before Spark has given the application an id."""
        known = getattr(operator, "application_facts", {})
        return fill_in(settings.load().history_server_url, known) if known.get("application_id") else ""


def fill_in(template: str, known: dict[str, str]) -> str:
    """Replace the names of what is known in braces; other braces are the address's own."""
    for name in ("application_id", "namespace", "name", "priority"):
        template = template.replace(f"{{{name}}}", known.get(name, ""))
    return template
