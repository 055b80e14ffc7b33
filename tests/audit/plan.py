"""The program as a Terraform plan: the form in which scanners of infrastructure read it.

Pulumi's AWS provider is made from Terraform's, so types and properties differ in their spelling alone.
"""

from __future__ import annotations

import re
from typing import Any

from tests.components.recorder import Deployment, Resource, plain

# Objects whose keys are data, and no names of properties.
_MAPS = frozenset({"tags", "variables", "dimensions"})


def plan(stack: Deployment) -> dict[str, Any]:
    """Write a plan that creates every resource of a stack."""
    resources = [_resource(resource) for resource in stack.resources if resource.type.startswith("aws:")]
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": resources}},
        "resource_changes": [
            {**resource, "change": {"actions": ["create"], "before": None, "after": resource["values"]}}
            for resource in resources
        ],
    }


def _resource(resource: Resource) -> dict[str, Any]:
    _, type_, _ = resource.type.split(":")
    service, _, kind = type_.partition("/")
    terraform = f"aws_{service}_{_snake(kind)}"
    return {
        "address": f"{terraform}.{resource.name}",
        "mode": "managed",
        "type": terraform,
        "name": resource.name,
        "provider_name": "hashicorp/aws",
        "schema_version": 0,
        "values": {_snake(name): _value(name, value) for name, value in resource.inputs.items()},
    }


def _value(name: str, value: object) -> Any:
    value = plain(value)
    if isinstance(value, dict) and name not in _MAPS:
        # A block: Terraform has a list of them, where Pulumi knows that there is one at most.
        return [{_snake(key): _value(key, item) for key, item in value.items()}]
    if isinstance(value, list):
        return [
            {_snake(key): _value(key, field) for key, field in item.items()} if isinstance(item, dict) else item
            for item in value
        ]
    return value if isinstance(value, (str, int, float, bool, dict)) or value is None else str(value)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
