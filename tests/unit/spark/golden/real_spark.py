# SPDX-License-Identifier: Apache-2.0
"""The installed Spark's own code, asked what pods it would create; nothing is sent to any cluster.

The manifest's fields are turned into ``--conf`` arguments here once more, as the operator does it
(``internal/controller/sparkapplication/submission.go``), so that our reading of them is not its own witness.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from unittest import mock

ROLES = ("driver", "executor")
_FIELDS = {
    "cores": "spark.{}.cores",
    "coreRequest": "spark.kubernetes.{}.request.cores",
    "coreLimit": "spark.kubernetes.{}.limit.cores",
    "memory": "spark.{}.memory",
    "memoryOverhead": "spark.{}.memoryOverhead",
    "instances": "spark.{}.instances",
}
_MAIN = "spark-kubernetes-{}"


def arguments(spec, directory):
    """Return the ``--conf`` arguments of an application; templates are written to the directory."""
    conf = {"spark.app.name": "golden", "spark.kubernetes.container.image": "spark"}
    if "memoryOverheadFactor" in spec:
        conf["spark.kubernetes.memoryOverheadFactor"] = spec["memoryOverheadFactor"]
    conf |= spec.get("sparkConf") or {}
    for role in ROLES:
        fields = spec[role]
        conf |= {key.format(role): str(fields[name]) for name, key in _FIELDS.items() if name in fields}
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": _MAIN.format(role)}]}}
        file = directory / f"{role}.yaml"
        file.write_text(json.dumps({**pod, **fields.get("template", {})}))
        conf[f"spark.kubernetes.{role}.podTemplateFile"] = str(file)
        conf[f"spark.kubernetes.{role}.podTemplateContainerName"] = _MAIN.format(role)
    allocation = spec.get("dynamicAllocation") or {}
    if allocation.get("enabled"):
        names = ("initialExecutors", "minExecutors", "maxExecutors", "enabled")
        told = {name: str(allocation[name]).lower() for name in names if name in allocation}
        conf |= {f"spark.dynamicAllocation.{name}": value for name, value in told.items()}
    elif "spark.executor.instances" not in conf and conf.get("spark.dynamicAllocation.enabled") != "true":
        conf["spark.executor.instances"] = "1"
    return conf


class RealSpark:
    """Spark's pod builders behind a gateway."""

    def __init__(self, gateway):
        self._gateway, self._jvm = gateway, gateway.jvm
        self._spark = gateway.jvm.org.apache.spark
        self._none = getattr(getattr(gateway.jvm.scala, "None$"), "MODULE$")
        self._client = gateway.jvm.io.fabric8.kubernetes.client.KubernetesClientBuilder().build()

    def pods(self, spec, directory):
        """Return the driver's and one executor's (pod, objects made with it), and the executors' number."""
        conf = self._conf(arguments(spec, directory))
        driver, properties = self._driver(conf, spec["mainApplicationFile"])
        # The executors' template lies elsewhere in a driver's pod than here.
        properties.pop("spark.kubernetes.executor.podTemplateFile")
        for key, value in properties.items():
            conf.set(key, value)
        backend = self._spark.scheduler.cluster.SchedulerBackendUtils
        return driver, self._executor(conf), backend.getInitialTargetExecutorNumber(conf, 2)

    def _conf(self, settings):
        conf = self._spark.SparkConf(False)
        for key, value in settings.items():
            conf.set(key, value)
        return conf

    def _driver(self, conf, main_file):
        submit = self._spark.deploy.k8s.submit
        if main_file.endswith(".py"):
            resource = submit.PythonMainAppResource(main_file)
        elif main_file.endswith((".R", ".r")):
            resource = submit.RMainAppResource(main_file)
        else:
            resource = submit.JavaMainAppResource(self._none)
        no_arguments = self._gateway.new_array(self._jvm.java.lang.String, 0)
        settings = self._spark.deploy.k8s.KubernetesConf.createDriverConf(
            conf, "spark-1", resource, "Main", no_arguments, self._none
        )
        built = submit.KubernetesDriverBuilder().buildFromFeatures(settings, self._client)
        convert = self._jvm.scala.jdk.javaapi.CollectionConverters.asJava
        made = [self._plain(item) for item in convert(built.driverKubernetesResources())]
        properties = {str(key): str(value) for key, value in convert(built.systemProperties()).items()}
        return (self._pod(built.pod()), made), properties

    def _executor(self, conf):
        profile = getattr(getattr(self._spark.resource, "ResourceProfile$"), "MODULE$")
        profile.reInitDefaultProfile(conf)
        default = profile.getOrCreateDefaultProfile(conf)
        settings = self._spark.deploy.k8s.KubernetesConf.createExecutorConf(
            conf, "1", "spark-1", self._none, default.id()
        )
        secret_file = getattr(self._spark.SecurityManager, "$lessinit$greater$default$3")()
        security = self._spark.SecurityManager(conf, self._none, secret_file)
        builder = self._jvm.org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBuilder()
        built = builder.buildFromFeatures(settings, security, self._client, default)
        convert = self._jvm.scala.jdk.javaapi.CollectionConverters.asJava
        made = [self._plain(item) for item in convert(built.executorKubernetesResources())]
        return self._pod(built.pod()), made

    def _pod(self, spark_pod):
        """Put Spark's container into its pod, as both clients do before they create it."""
        pod = self._plain(spark_pod.pod())
        pod["spec"].setdefault("containers", []).append(self._plain(spark_pod.container()))
        return pod

    def _plain(self, thing):
        return json.loads(self._jvm.io.fabric8.kubernetes.client.utils.Serialization.asJson(thing))


@contextmanager
def real_spark():
    """Start the installed Spark's Java for as long as the block runs."""
    from pyspark.java_gateway import launch_gateway

    submit = "--master local[1] --conf spark.ui.enabled=false pyspark-shell"
    with mock.patch.dict("os.environ", {"PYSPARK_SUBMIT_ARGS": submit, "SPARK_LOCAL_IP": "127.0.0.1"}):
        gateway = launch_gateway()
    try:
        yield RealSpark(gateway)
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(20)
