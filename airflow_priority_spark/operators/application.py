# SPDX-License-Identifier: Apache-2.0
"""From an author's manifest to the application that is created: identity, protection and a net.

What is added is what the author would have to know to add: who the application belongs to, that a node
autoscaler must not evict a driver (its executors and their work would go with it), and how long an ended
application may lie around if nobody deletes it. What the author has set stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow_priority_spark.spark.identity import ANNOTATION_TASK, TaskKey
from airflow_priority_spark.spark.manifest import prepare

if TYPE_CHECKING:
    from airflow_priority_spark.operators.plan import Plan

#: On the application: how often its run had been cleared when it was created. Another number, another job.
LABEL_CLEAR: Final = "priority-spark/clear-number"
#: On an application that was kept after its task had ended: how it ended. No later attempt takes it up.
LABEL_FINISHED: Final = "priority-spark/finished"

#: Sources: Karpenter's ``DoNotDisruptAnnotationKey`` (``pkg/apis/v1/labels.go``), cluster-autoscaler's
#: ``PodSafeToEvictKey`` (``utils/drain/drain.go``).
PROTECTION: Final[Mapping[str, str]] = {
    "karpenter.sh/do-not-disrupt": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}


def application_body(
    plan: Plan,
    *,
    name: str,
    key: TaskKey,
    labels: Mapping[str, str],
    authors_labels: Mapping[str, Any],
    authors_annotations: Mapping[str, Any],
    clear_number: int,
) -> dict[str, Any]:
    """Return the SparkApplication to create.

    :param labels: of the job, see ``identity.job_labels``.
    :param authors_labels: the operator's ``labels``; they go on the pods too.
    :param clear_number: of the DAG run.
    """
    body = prepare(
        plan.manifest,
        name=name,
        namespace=plan.namespace,
        labels={**_texts(authors_labels), **labels},
        annotations={**_texts(authors_annotations), ANNOTATION_TASK: key.readable()},
    )
    body["metadata"]["labels"][LABEL_CLEAR] = str(clear_number)
    spec = body["spec"]
    if plan.life.protect_driver:
        driver = spec["driver"]
        driver["annotations"] = {**PROTECTION, **(driver.get("annotations") or {})}
    if plan.life.application_ttl and spec.get("timeToLiveSeconds") is None:
        spec["timeToLiveSeconds"] = plan.life.application_ttl
    return body


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}
