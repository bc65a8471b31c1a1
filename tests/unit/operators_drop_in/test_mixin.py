# SPDX-License-Identifier: Apache-2.0
"""What a pod counts as, and another operator that goes through the queue by the mixin."""

from __future__ import annotations

from airflow.providers.cncf.kubernetes.operators.job import KubernetesJobOperator

from airflow_priority_spark.operators.admission_mixin import TEMPLATED, AdmissionMixin
from airflow_priority_spark.operators.pod import pod_demand
from airflow_priority_spark.scheduling.model import Demand, PodScope
from tests.unit.operators_drop_in.pods import context, deferral, request_of, resources, task

GIB = 2**30


def test_containers_count_together_and_an_init_container_alone():
    spec = {
        "containers": [
            {"name": "a", "resources": {"requests": {"cpu": "1"}}},
            {"name": "b", "resources": {"requests": {"cpu": "500m"}}},
        ],
        "initContainers": [{"name": "i", "resources": {"requests": {"cpu": "1", "memory": "2Gi"}}}],
    }
    [pods] = pod_demand({"spec": spec}).pod_sets
    assert pods.requests.as_dict() == {"cpu": 1500, "memory": 2 * GIB}


def test_a_request_that_is_not_given_is_the_limit():
    spec = {"containers": [{"name": "a", "resources": {"limits": {"cpu": "2", "nvidia.com/gpu": "1"}}}]}
    [pods] = pod_demand({"spec": spec}).pod_sets
    assert pods.requests.as_dict() == {"cpu": 2000, "nvidia.com/gpu": 1}
    assert pods.limits.as_dict() == {"cpu": 2000, "nvidia.com/gpu": 1}


def test_selector_and_tolerations_say_where_it_may_go():
    spec = {
        "containers": [],
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
    }
    [pods] = pod_demand({"spec": spec}).pod_sets
    assert pods.node_selector == (("zone", "a"),)
    assert pods.tolerations[0].key == "spot"


def test_affinity_labels_containers_and_quota_scopes_are_carried():
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}, "namespaces": ["b"]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    spec = {
        "containers": [{"name": "a"}, {"name": "b"}],
        "affinity": {"podAntiAffinity": required},
        "priorityClassName": "low",
    }
    [pods] = pod_demand({"spec": spec, "metadata": {"labels": {"app": "x"}}}).pod_sets
    assert pods.affinity.apart[0].selector[0].holds(dict(pods.labels))
    assert [container.name for container in pods.containers] == ["a", "b"]
    assert pods.scope == PodScope("low", best_effort=True, cross_namespace=True)


def test_the_sidecar_for_xcom_is_counted(ref, namespace):
    request = request_of(deferral(task(ref, namespace, do_xcom_push=True).execute, context()))
    # The sidecar of the stock provider asks for 1m of CPU and 10Mi of memory.
    assert request.demand.pod_sets[0].requests["cpu"] == 501
    assert request.demand.pod_sets[0].requests["memory"] == GIB + 10 * 2**20


class PriorityJobOperator(AdmissionMixin, KubernetesJobOperator):
    """The author's guide's example: another Kubernetes operator behind the same queue."""

    template_fields = (*KubernetesJobOperator.template_fields, *TEMPLATED)

    def admission_demand(self, context):
        job = self.build_job_request_obj(context)
        from kubernetes.client import ApiClient

        return pod_demand(ApiClient().sanitize_for_serialization(job.spec.template))

    def admission_namespace(self, context):
        return self.namespace

    def carry(self, labels):
        self.labels = {**self.labels, **labels}


def test_the_mixin_puts_another_operator_behind_the_queue(ref, namespace):
    operator = PriorityJobOperator(
        task_id="clean",
        kubernetes_conn_id=None,
        config_file=ref.config_file,
        namespace=namespace,
        name="clean",
        image="busybox",
        container_resources=resources(cpu="2"),
        priority="high",
    )
    request = request_of(deferral(operator.execute, context()))
    assert isinstance(request.demand, Demand)
    assert request.demand.pod_sets[0].requests["cpu"] == 2000
