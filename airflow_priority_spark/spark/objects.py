# SPDX-License-Identifier: Apache-2.0
"""The countable objects a SparkApplication makes besides its pods.

Quotas on ``services`` or ``count/configmaps`` block a job as surely as one on memory, only later and
with a worse message. The counts are those of a default installation of the operator.

Sources: Spark's ``DriverServiceFeatureStep`` (one headless service), ``KubernetesClientApplication``
(the driver's config map), ``KubernetesClusterSchedulerBackend.setUpExecutorConfigMap`` (the executors',
unless ``spark.kubernetes.executor.disableConfigMap``), ``PodTemplateConfigMapStep`` (one for the executors'
pod template: the operator's ``submission.go`` always writes one); the operator's ``controller.go`` (the UI
service, one per driver ingress) and ``monitoring_config.go`` (one config map for Prometheus without a
config file of its own); from Spark 4.2 on ``NetworkPolicyFeatureStep``. Volume claims are in ``volumes``.
"""

from __future__ import annotations

from typing import Final

from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.reading import Reading

_POLICY_STEP: Final = "NetworkPolicyFeatureStep"
_POLICY_SINCE: Final = (4, 2)
APPLICATIONS_KEY: Final = "count/sparkapplications.sparkoperator.k8s.io"


def quota_objects(reading: Reading) -> Resources:
    """Return the quota keys charged once per application."""
    spec, conf = reading.spec, reading.conf
    services = 2 + len(spec.get("driverIngressOptions") or [])
    config_maps = 2 + (not conf.flag("spark.kubernetes.executor.disableConfigMap"))
    prometheus = (spec.get("monitoring") or {}).get("prometheus") or {}
    config_maps += bool(prometheus) and not prometheus.get("configFile")
    excluded = conf.get("spark.kubernetes.driver.pod.excludedFeatureSteps")
    policy = reading.version >= _POLICY_SINCE and not (excluded and _POLICY_STEP in str(excluded.value))
    return Resources(
        {
            APPLICATIONS_KEY: 1,
            "services": services,
            "count/services": services,
            "configmaps": config_maps,
            "count/configmaps": config_maps,
            "count/networkpolicies.networking.k8s.io": int(policy),
        }
    )
