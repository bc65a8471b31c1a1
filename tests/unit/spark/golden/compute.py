# SPDX-License-Identifier: Apache-2.0
"""How much CPU, which devices, and how many executors."""

from __future__ import annotations

from tests.unit.spark.golden.case import (
    BACKEND,
    CONFIG,
    DEFAULTS,
    DRIVER,
    EXECUTOR,
    K8S_UTILS,
    MANAGER,
    SUBMISSION,
    UTILS,
    WEBHOOK,
    Case,
    conf,
    jvm,
)

GPU = {"spark.executor.resource.gpu.amount": "2", "spark.executor.resource.gpu.vendor": "nvidia.com"}
DYNAMIC = {"spark.dynamicAllocation.enabled": "true"}
FIVE_TO_NINE = {"initialExecutors": 5, "minExecutors": 2, "maxExecutors": 9}


def dynamic(**fields):
    return {"dynamicAllocation": {"enabled": True, **fields}}


def reserving(what):
    return {"reserve": what}


CASES = [
    Case("cores are whole CPUs", DRIVER, jvm(driver={"cores": 3}), (3000, 1408)),
    Case("cores in sparkConf", CONFIG, conf(conf={"spark.executor.cores": "4"}), executor=(4000, 1408)),
    Case("typed cores go before sparkConf", SUBMISSION,
         conf(executor={"cores": 2}, conf={"spark.executor.cores": "4"}), executor=(2000, 1408)),
    Case("a core request goes before cores", DRIVER,
         jvm(driver={"cores": 4, "coreRequest": "500m"}), (500, 1408)),
    Case("a core request may be a fraction", EXECUTOR,
         jvm(executor={"coreRequest": "0.1"}), executor=(100, 1408)),
    Case("a core request in sparkConf goes before typed cores", DRIVER,
         conf(driver={"cores": 4}, conf={"spark.kubernetes.driver.request.cores": "1500m"}), (1500, 1408)),
    Case("a typed core request goes before one in sparkConf", SUBMISSION,
         conf(executor={"coreRequest": "2"}, conf={"spark.kubernetes.executor.request.cores": "3"}),
         executor=(2000, 1408)),
    Case("a core limit does not change the request", DRIVER, jvm(driver={"coreLimit": "2"})),
    Case("the executors' core limit does not either", EXECUTOR,
         conf(conf={"spark.kubernetes.executor.limit.cores": "2"})),
    Case("a GPU of the manifest is requested as it is limited", WEBHOOK,
         jvm(executor={"gpu": {"name": "nvidia.com/gpu", "quantity": 2}}),
         executor_other={"nvidia.com/gpu": 2}, in_spark=False),
    Case("the driver may have one too", WEBHOOK,
         jvm(driver={"gpu": {"name": "amd.com/gpu", "quantity": 1}}),
         driver_other={"amd.com/gpu": 1}, in_spark=False),
    Case("a GPU of sparkConf is called by its vendor", EXECUTOR, conf(conf=GPU),
         executor_other={"nvidia.com/gpu": 2}),
    Case("the driver's devices are its own", K8S_UTILS,
         conf(conf={"spark.driver.resource.fpga.amount": "1", "spark.driver.resource.fpga.vendor": "x.com"}),
         driver_other={"x.com/fpga": 1}),
    Case("the manifest's GPU replaces the one of sparkConf", WEBHOOK,
         conf(executor={"gpu": {"name": "nvidia.com/gpu", "quantity": 3}}, conf=GPU),
         executor_other={"nvidia.com/gpu": 3}, in_spark=False),
    Case("two kinds of devices are two resources", EXECUTOR,
         conf(conf={**GPU, "spark.executor.resource.fpga.amount": "1",
                    "spark.executor.resource.fpga.vendor": "x.com"}),
         executor_other={"nvidia.com/gpu": 2, "x.com/fpga": 1}),
    Case("no number of executors: the operator's webhook sets one", DEFAULTS, jvm()),
    Case("executors of the manifest", BACKEND, jvm(executor={"instances": 7}), count=7),
    Case("executors of sparkConf", BACKEND, conf(conf={"spark.executor.instances": "3"}), count=3),
    Case("the manifest's go before sparkConf's", SUBMISSION,
         conf(executor={"instances": 7}, conf={"spark.executor.instances": "3"}), count=7),
    Case("sparkConf may ask for none", BACKEND, conf(conf={"spark.executor.instances": "0"}), count=0),
    Case("dynamic allocation starts with the initial number", UTILS, jvm(**dynamic(**FIVE_TO_NINE)), count=5),
    Case("it starts with the minimum when that is more", UTILS,
         jvm(**dynamic(minExecutors=4, initialExecutors=1, maxExecutors=9)), count=4),
    Case("it starts with the instances when they are more", UTILS,
         jvm(executor={"instances": 6}, **dynamic(**FIVE_TO_NINE)), count=6),
    Case("it may start with none", UTILS, jvm(**dynamic(minExecutors=0, maxExecutors=9)), count=0),
    Case("the minimum may be reserved instead", BACKEND, jvm(**dynamic(**FIVE_TO_NINE)), count=2,
         options=reserving("min"), in_spark=False),
    Case("or the maximum", BACKEND, jvm(**dynamic(**FIVE_TO_NINE)), count=9, options=reserving("max"),
         in_spark=False),
    Case("dynamic allocation of sparkConf counts as well", UTILS,
         conf(conf={**DYNAMIC, "spark.dynamicAllocation.initialExecutors": "3"}), count=3),
    Case("but the webhook does not see it and sets one instance", DEFAULTS, conf(conf=DYNAMIC),
         in_spark=False),
    Case("the manifest's numbers go before sparkConf's", SUBMISSION,
         conf(**dynamic(initialExecutors=2), conf={"spark.dynamicAllocation.initialExecutors": "8"}),
         count=2),
    Case("disabled, its numbers are not read", SUBMISSION,
         jvm(executor={"instances": 3}, dynamicAllocation={"enabled": False, "minExecutors": 7}), count=3),
    Case("disabled in the manifest, it may still be enabled in sparkConf", SUBMISSION,
         conf(dynamicAllocation={"enabled": False}, executor={"instances": 2},
              conf={**DYNAMIC, "spark.dynamicAllocation.minExecutors": "4"}), count=4),
    Case("a local master runs in the driver alone", MANAGER,
         jvm(driver={"kubernetesMaster": "local[*]"}, executor={"instances": 5}), count=0, in_spark=False),
    Case("it may be set in sparkConf", MANAGER,
         conf(conf={"spark.kubernetes.driver.master": "local[4]"}), count=0, in_spark=False),
    Case("another address of the API server is no local master", MANAGER,
         conf(conf={"spark.kubernetes.driver.master": "https://kubernetes.default.svc"}),
         in_spark=False),
    Case("spark.master does not reach Spark: the operator passes the cluster's", SUBMISSION,
         conf(conf={"spark.master": "local[2]"}), in_spark=False),
]  # fmt: skip
