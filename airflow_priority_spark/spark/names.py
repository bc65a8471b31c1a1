# SPDX-License-Identifier: Apache-2.0
"""Which names are possible, as far as a worker can tell.

Kubernetes refuses a pod, service or label whose name is too long when it is created, that is after the
job has waited for its turn. And a worker does not know which priority pools its queue has (each queue may
have its own); it can only refuse what no pool could be called, the arbiter refuses the rest at intake.

Sources: RFC 1035 labels; Spark's ``Config.scala`` (``KUBERNETES_EXECUTOR_POD_NAME_PREFIX``: 47 characters
leave room for ``-exec-N``), label values of ``k8s.io/apimachinery/pkg/util/validation``.
"""

from __future__ import annotations

import re
from typing import Any, Final

from airflow_priority_spark.errors import InvalidInput, InvalidManifest

MAX_LABEL: Final = 63
MAX_EXECUTOR_PREFIX: Final = 47
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_NAMESPACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def check_name(field: str, name: Any, most: int = MAX_LABEL) -> None:
    """Refuse a name that is too long to name what is made from it; an absent one is no name.

    :raises InvalidManifest: naming the field, the name and the limit.
    """
    if name is None:
        return
    if not isinstance(name, str) or not 0 < len(name) <= most:
        raise InvalidManifest(field, name, f"a name of 1 to {most} characters")


def check_namespace(field: str, name: str) -> str:
    """Return a namespace.

    :raises InvalidInput: naming the field, the name and the allowed form.
    """
    if not _NAMESPACE.fullmatch(name):
        raise InvalidInput(
            field,
            name,
            f"at most {MAX_LABEL} lower-case letters, digits and dashes, beginning and ending with a "
            "letter or digit",
        )
    return name


def check_pool(field: str, name: Any) -> str:
    """Return the name of a priority pool.

    :raises InvalidInput: naming the field, the name and the allowed form.
    """
    text = name.strip() if isinstance(name, str) else ""
    if not _LABEL_VALUE.fullmatch(text):
        raise InvalidInput(
            field,
            name,
            f"the name of a priority pool, such as high or normal: at most {MAX_LABEL} letters, digits, "
            "dashes, underscores and dots, beginning and ending with a letter or digit",
        )
    return text
