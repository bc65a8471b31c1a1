# SPDX-License-Identifier: Apache-2.0
"""CustomResourceDefinitions: bounds, defaults, columns, status, scope, and the end of a kind."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import (
    CORE,
    MERGE,
    TABLE,
    Request,
    delete,
    get,
    patch,
    post,
    put,
)

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "/apis/{ns}.example.com/v1"
CARS = f"{GROUP}/cars"
NAME = "cars.{ns}.example.com"

_SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["wheels"],
    "properties": {
        "wheels": {"type": "integer", "format": "int32", "minimum": 3, "maximum": 6},
        "plate": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[A-Z0-9]+$"},
        "doors": {"type": "array", "maxItems": 2, "minItems": 1, "items": {"type": "string"}},
        "fuel": {"type": "string", "default": "air", "enum": ["air", "wine"]},
        "seats": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["row"],
            "items": {
                "type": "object",
                "required": ["row"],
                "properties": {"row": {"type": "integer"}, "colour": {"type": "string", "default": "grey"}},
            },
        },
        "load": {"x-kubernetes-int-or-string": True},
        "since": {"type": "string", "format": "date-time"},
        "price": {"type": "number"},
        "note": {"type": "string", "nullable": True},
        "extras": {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "string"}},
        "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
_STATUS = {"type": "object", "properties": {"state": {"type": "string"}, "km": {"type": "integer"}}}
_COLUMNS = [
    {"name": "Wheels", "type": "integer", "jsonPath": ".spec.wheels"},
    {"name": "State", "type": "string", "jsonPath": ".status.state"},
    {"name": "First", "type": "string", "jsonPath": ".spec.seats[0].colour"},
    {"name": "Back", "type": "string", "jsonPath": '.spec.seats[?(@.colour=="red")].row'},
    {"name": "Since", "type": "date", "jsonPath": ".spec.since", "priority": 1},
    {"name": "Wide", "type": "boolean", "jsonPath": ".spec.plate", "priority": 1},
]


def _definition(**changes: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": _SPEC, "status": _STATUS}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": _COLUMNS,
    }
    names = {"plural": "cars", "kind": "Car", "shortNames": ["cr"], "categories": ["all"]}
    spec = {"group": "{ns}.example.com", "scope": "Cluster", "names": names, "versions": [version], **changes}
    return {"metadata": {"name": NAME}, "spec": spec}


def _car(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "{ns}.example.com/v1",
        "kind": "Car",
        "metadata": {"name": name},
        "spec": {"wheels": 4, **spec},
    }


def _refused(title: str, **spec: Any) -> Request:
    return post(f"a car with {title}", f"{CARS}?dryRun=All", _car("bad", **spec))


LOOK = ("code", "message", "details.causes")

REQUESTS: list[Request] = [
    post(
        "no version at all", CRDS, _definition(versions=[]), look=("code", "reason", "details.causes.0.field")
    ),
    post("an unknown scope", CRDS, _definition(scope="World")),
    post("without a group", CRDS, _definition(group=""), look=("code", "reason", "details.causes.1")),
    post(
        "a definition",
        CRDS,
        _definition(),
        look=("code", "metadata.generation", "spec.names", "spec.conversion", "status"),
    ),
    post("again", CRDS, _definition()),
    get(
        "established",
        f"{CRDS}/{NAME}",
        until=("status.conditions.1.status", "True"),
        look=("status.acceptedNames",),
    ),
    get("served", CARS, until=("code", 200), look=("kind", "items")),
    get("its group", "/apis/{ns}.example.com"),
    get(
        "its resources",
        GROUP,
        look=(
            "kind",
            "groupVersion",
            "resources.0.name",
            "resources.0.singularName",
            "resources.0.namespaced",
            "resources.0.kind",
            "resources.0.shortNames",
            "resources.0.categories",
            "resources.1.name",
            "resources.1.verbs",
        ),
    ),
    _refused("too few wheels", wheels=2),
    _refused("too many wheels", wheels=7),
    _refused("wheels in words", wheels="four"),
    _refused("a plate too short", plate="A"),
    _refused("a plate too long", plate="ABCDEF"),
    _refused("a plate of other letters", plate="abc"),
    _refused("no doors", doors=[]),
    _refused("too many doors", doors=["a", "b", "c"]),
    _refused("an unknown fuel", fuel="coal"),
    _refused("seats of one row twice", seats=[{"row": 1}, {"row": 1}]),
    _refused("a seat without a row", seats=[{}]),
    _refused("a load that is a flag", load=True),
    _refused("a time that is none", since="yesterday"),
    _refused("a price that is text", price="5"),
    _refused("too many extras", extras={"a": "1", "b": "2"}),
    _refused("an extra that is a number", extras={"a": 1}),
    _refused("nothing where nothing may be", plate=None),
    post(
        "defaults, unknown fields and what is kept",
        CARS,
        _car(
            "a",
            seats=[{"row": 1}, {"row": 2, "colour": "red"}],
            anything={"goes": 1},
            note=None,
            nope=1,
            load="5",
        ),
        look=("code", "spec", "metadata.generation"),
    ),
    post("a price that is whole", f"{CARS}?dryRun=All", _car("b", price=5), look=("code", "spec.price")),
    post(
        "with a status",
        f"{CARS}?dryRun=All",
        {**_car("b"), "status": {"state": "new"}},
        look=("code", "status"),
    ),
    patch(
        "its status",
        f"{CARS}/a/status",
        {"status": {"state": "driving", "km": 5}},
        MERGE,
        look=("code", "status", "metadata.generation"),
    ),
    patch("a status that does not fit", f"{CARS}/a/status", {"status": {"km": "five"}}, MERGE, look=LOOK),
    get("as a table", CARS, accept=TABLE, look=("columnDefinitions", "rows.0.cells")),
    put("replaced without a version", f"{CARS}/a", _car("a"), look=("code", "reason")),
    patch("a finalizer", f"{CARS}/a", {"metadata": {"finalizers": ["example.com/x"]}}, MERGE, compared=False),
    patch(
        "another schema",
        f"{CRDS}/{NAME}",
        [
            {
                "op": "replace",
                "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/wheels/maximum",
                "value": 8,
            }
        ],
        "application/json-patch+json",
        look=("code", "metadata.generation"),
    ),
    post(
        "counts at once",
        f"{CARS}?dryRun=All",
        _car("c", wheels=8),
        until=("code", 201),
        look=("code", "spec.wheels"),
    ),
    delete(
        "the definition goes",
        f"{CRDS}/{NAME}",
        look=("code", "kind", "metadata.finalizers", "metadata.deletionTimestamp"),
    ),
    get(
        "its object is told",
        f"{CARS}/a",
        until=("metadata.deletionTimestamp", None),
        look=("metadata.finalizers",),
    ),
    post("nothing new", CARS, _car("d"), until=("code", 403)),
    patch("the last object", f"{CARS}/a", {"metadata": {"finalizers": None}}, MERGE, look=("code",)),
    get("the definition has gone", f"{CRDS}/{NAME}", until=("code", 404)),
    get("and so has its kind", CARS, until=("code", 404), look=("code",)),
    get("the namespace does not care", f"{CORE}/namespaces/{{ns}}", look=("status",)),
]
