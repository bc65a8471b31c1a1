# SPDX-License-Identifier: Apache-2.0
"""Every exception a person can meet, in one tree.

::

    PrioritySparkError
    ├── InvalidInput                 a value that can never be right: field, value, what is allowed
    │   ├── InvalidQuantity          not a Kubernetes quantity
    │   ├── InvalidMemoryString      not a Spark memory string
    │   ├── InvalidManifest          not a SparkApplication we can run
    │   └── InvalidRequest           a deferral whose payload does not fit the schema
    ├── InvalidFile                  a file with lines that can never be right
    ├── NotFound                     no job, queue, pool or cluster has this name
    ├── Conflict                     right in itself, but not as things stand: the state, and what would help
    ├── ImpossibleDemand             no state of the queue could ever satisfy it
    ├── IllegalTransition            a job was asked to move to a state it cannot reach
    ├── ClusterUnavailable           the Kubernetes API does not answer
    ├── PermissionMissing            the Kubernetes API says no: verb, resource, namespace
    ├── CustomResourceMissing        the SparkApplication CRD is not installed
    ├── DatabaseNotMigrated          our tables are not there, or are older than this code
    ├── IncompatibleAirflow          the internal API we resume through has another shape
    ├── LeadershipLost               another arbiter leads; nothing was written
    ├── JobsParked                   tables cannot be dropped while tasks wait in them
    ├── AdmissionCancelled           the arbiter or a person cancelled the waiting job
    └── ApplicationFailed            the Spark application ended without success

An ``InvalidInput`` always names the field, the value and what is allowed, in this order.
"""

from __future__ import annotations

from collections.abc import Sequence


class PrioritySparkError(Exception):
    """Anything this package raises on purpose."""


class InvalidInput(PrioritySparkError, ValueError):
    """A value that can never be right.

    :param field: the dotted path or option a person wrote, e.g. ``spec.driver.memory``.
    :param value: what was found there.
    :param allowed: a phrase that completes "allowed: …".
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field, self.value, self.allowed = field, value, allowed
        super().__init__(f"{field}: {value!r} is not valid; allowed: {allowed}")


class InvalidQuantity(InvalidInput):
    """Not a Kubernetes quantity such as ``500m``, ``1.5`` or ``4Gi``."""


class InvalidMemoryString(InvalidInput):
    """Not a Spark memory string such as ``512m`` or ``4g``."""


class InvalidManifest(InvalidInput):
    """Not a SparkApplication we can run."""


class InvalidRequest(InvalidInput):
    """A deferral whose payload does not fit the schema."""


class InvalidFile(PrioritySparkError):
    """A file with lines that can never be right.

    :param name: of the file.
    :param faults: what is wrong, each with its line.
    """

    def __init__(self, name: str, faults: Sequence[tuple[int, str]]) -> None:
        self.name, self.faults = name, tuple(sorted(faults))
        super().__init__("\n".join(f"{name}:{line}: {fault}" for line, fault in self.faults))


class NotFound(PrioritySparkError):
    """Nothing has this name or id; the message says where those that exist are shown."""


class Conflict(PrioritySparkError):
    """The request is right in itself but not as things stand; the message says what stands in its way."""


class ImpossibleDemand(PrioritySparkError):
    """No state of the queue could ever satisfy the demand."""


class IllegalTransition(PrioritySparkError):
    """A job was asked to move to a state it cannot reach from where it is."""

    def __init__(self, job_id: str, current: str, wanted: str) -> None:
        self.job_id, self.current, self.wanted = job_id, current, wanted
        super().__init__(f"job {job_id} is {current!r} and cannot become {wanted!r}")


class ClusterUnavailable(PrioritySparkError):
    """The Kubernetes API does not answer, or not with what it should."""


class PermissionMissing(PrioritySparkError):
    """The Kubernetes API refuses us: verb, resource and namespace are in the message."""


class CustomResourceMissing(PrioritySparkError):
    """The SparkApplication custom resource definition is not installed."""


class DatabaseNotMigrated(PrioritySparkError):
    """Our tables are missing or older than this code; the message says which command to run."""


class IncompatibleAirflow(PrioritySparkError):
    """Airflow's internal resume API does not have the shape this package knows."""


class LeadershipLost(PrioritySparkError):
    """Another arbiter leads since we last looked; nothing was written."""


class JobsParked(PrioritySparkError):
    """Tables cannot be dropped while task instances wait in them."""


class AdmissionCancelled(PrioritySparkError):
    """The waiting job was cancelled; the message is the reason with its numbers."""


class ApplicationFailed(PrioritySparkError):
    """The Spark application ended without success."""
