# SPDX-License-Identifier: Apache-2.0
"""The countable objects a SparkApplication makes besides its pods.

Quotas on ``services`` or ``count/configmaps`` block a job as surely as one on memory, only later and
with a worse message. The counts are those of a default installation of the operator.

Sources: Spark's ``DriverServiceFeatureStep`` (one headless service), ``KubernetesClientApplication``
(the driver's config map), ``KubernetesClusterSchedulerBackend.setUpExecutorConfigMap`` (the executors',
unless ``spark.kubernetes.executor.disableConfigMap``), ``PodTemplateConfigMapStep`` (one for the executors'
pod template: the operator's ``submission.go`` always writes one); the operator's ``controller.go`` (the UI
service, one per driver ingress) and ``monitoring_config.go`` (one config map for Prometheus without a
config file of its own). Volume claims are in ``volumes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.conf import SparkConf

APPLICATIONS_KEY: Final = "count/sparkapplications.sparkoperator.k8s.io"


def quota_objects(spec: Mapping[str, Any], conf: SparkConf) -> Resources:
    """Return the quota keys charged once per application.

    :param spec: the ``spec`` of the SparkApplication.
    """
    services = 2 + len(spec.get("driverIngressOptions") or [])
    config_maps = 2 + (not conf.flag("spark.kubernetes.executor.disableConfigMap"))
    prometheus = (spec.get("monitoring") or {}).get("prometheus") or {}
    config_maps += bool(prometheus) and not prometheus.get("configFile")
    return Resources(
        {
            APPLICATIONS_KEY: 1,
            "services": services,
            "count/services": services,
            "configmaps": config_maps,
            "count/configmaps": config_maps,
        }
    )
