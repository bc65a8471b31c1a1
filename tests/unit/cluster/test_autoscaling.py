# SPDX-License-Identifier: Apache-2.0
"""Fixed or elastic nodes."""

import pytest

from airflow_priority_spark.cluster.autoscaling import hint_on_node, nodes_kind
from airflow_priority_spark.scheduling.model import Taint


@pytest.mark.parametrize(
    ("labels", "annotations", "taints", "hint"),
    [
        ({"karpenter.sh/nodepool": "default"}, {}, [], "label karpenter.sh/nodepool"),
        ({"eks.amazonaws.com/nodegroup": "ng-1"}, {}, [], "label eks.amazonaws.com/nodegroup"),
        ({"cloud.google.com/gke-nodepool": "p"}, {}, [], "label cloud.google.com/gke-nodepool"),
        ({"kubernetes.azure.com/agentpool": "p"}, {}, [], "label kubernetes.azure.com/agentpool"),
        (
            {},
            {"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"},
            [],
            "annotation cluster-autoscaler.kubernetes.io/scale-down-disabled",
        ),
        ({}, {}, [Taint("ToBeDeletedByClusterAutoscaler")], "taint ToBeDeletedByClusterAutoscaler"),
        ({"kubernetes.io/os": "linux"}, {"node.alpha.kubernetes.io/ttl": "0"}, [Taint("dedicated")], ""),
    ],
)
def test_a_node_shows_signs_of_an_autoscaler(labels, annotations, taints, hint):
    assert hint_on_node(labels, annotations, taints) == hint


def test_one_node_with_a_sign_makes_the_cluster_elastic():
    kind = nodes_kind(None, [("a", ""), ("b", "label karpenter.sh/nodepool")])

    assert not kind.fixed
    assert kind.why == "label karpenter.sh/nodepool on node b"


def test_undetermined_means_elastic_and_says_what_to_set():
    kind = nodes_kind(None, [("a", "")])

    assert not kind.fixed
    assert "set nodes = fixed" in kind.why


@pytest.mark.parametrize("fixed", [True, False])
def test_what_the_site_says_counts(fixed):
    assert nodes_kind(fixed, [("a", "label karpenter.sh/nodepool")]).fixed is fixed
