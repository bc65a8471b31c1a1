# SPDX-License-Identifier: Apache-2.0
"""What a CustomResourceDefinition must say, and what it means where it says nothing.

Source: apiextensions-apiserver ``pkg/apis/apiextensions/{v1/defaults.go,validation/validation.go}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_priority_spark.embedded.errors import Cause

Data = dict[str, Any]
Found = Mapping[str, Any]


def fill_in_definition(data: Data) -> None:
    """Fill in the defaults of a new definition, in place."""
    spec = data.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})
    stored = [one["name"] for one in spec.get("versions") or () if one.get("storage")]
    no_names = {"plural": "", "kind": ""}
    data["status"] = {"conditions": None, "acceptedNames": no_names, "storedVersions": stored}


def definition_causes(data: Found) -> list[Cause]:
    """Return what is wrong with a definition."""
    spec, name = data["spec"], data["metadata"]["name"]
    causes: list[Cause] = []
    if name != f"{spec['names'].get('plural', '')}.{spec.get('group', '')}":
        why = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        causes.append(("metadata.name", why, "FieldValueInvalid"))
    if not spec.get("group"):
        causes.append(("spec.group", "Required value", "FieldValueRequired"))
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        why = f'Unsupported value: "{spec.get("scope", "")}": supported values: "Cluster", "Namespaced"'
        causes.append(("spec.scope", why, "FieldValueNotSupported"))
    versions = spec.get("versions") or []
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            field = f"spec.versions[{index}].schema.openAPIV3Schema"
            causes.append((field, "Required value", "FieldValueRequired"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        shown = json.dumps([version.get("name") for version in versions])
        why = f"Invalid value: {shown}: must have exactly one version marked as storage version"
        causes.append(("spec.versions", why, "FieldValueInvalid"))
    return causes
