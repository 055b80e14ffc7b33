"""Lambda: functions, and what invokes them."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.local_cloud import archive, resources
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.lifecycle.contract import Lifecycle, must_be_there, nothing
from scripts.local_cloud.resources import Inputs


def _function(dependencies: Path) -> Lifecycle:
    def create(root: Clients, name: str, inputs: Inputs) -> resources.Created:
        return resources.function(root, name, inputs, dependencies=dependencies)

    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.functions.update_function_code(
            FunctionName=id_, ZipFile=archive.zipped(inputs["code"], folders={".": dependencies})
        )
        root.functions.update_function_configuration(
            FunctionName=id_,
            Role=inputs["role"],
            Runtime=inputs["runtime"],
            Handler=inputs["handler"],
            Environment={"Variables": inputs["environment"]["variables"]},
            MemorySize=int(inputs["memorySize"]),
            Timeout=int(inputs["timeout"]),
        )

    return Lifecycle(
        create=create,
        read=lambda root, id_, _: root.functions.get_function(FunctionName=id_),
        update=update,
        delete=lambda root, id_, _: root.functions.delete_function(FunctionName=id_),
        replaced_by=frozenset({"name", "packageType"}),
        computed=("arn", "invokeArn"),
    )


def _event_source_mapping() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.functions.update_event_source_mapping(
            UUID=id_,
            FunctionName=inputs["functionName"],
            BatchSize=int(inputs["batchSize"]),
            FilterCriteria={
                "Filters": [{"Pattern": pattern["pattern"]} for pattern in inputs["filterCriteria"]["filters"]],
            },
            FunctionResponseTypes=inputs["functionResponseTypes"],
        )

    return Lifecycle(
        create=resources.event_source_mapping,
        read=lambda root, id_, _: root.functions.get_event_source_mapping(UUID=id_),
        update=update,
        delete=lambda root, id_, _: root.functions.delete_event_source_mapping(UUID=id_),
        replaced_by=frozenset({"eventSourceArn", "startingPosition"}),
        computed=("arn", "uuid"),
    )


def _permission() -> Lifecycle:
    def delete(root: Clients, id_: str, inputs: Inputs) -> None:
        root.functions.remove_permission(FunctionName=inputs["function"], StatementId=id_)

    def read(root: Clients, id_: str, inputs: Inputs) -> None:
        policy = json.loads(root.functions.get_policy(FunctionName=inputs["function"])["Policy"])
        must_be_there(id_, [statement["Sid"] for statement in policy["Statement"]])

    return Lifecycle(
        create=resources.permission,
        read=read,
        update=nothing,
        delete=delete,
        replaced_by=frozenset({"action", "function", "principal", "sourceArn", "statementId"}),
        computed=(),
    )


def _event_invoke_config() -> Lifecycle:
    return Lifecycle(
        create=resources.event_invoke_config,
        read=lambda root, id_, _: root.functions.get_function_event_invoke_config(FunctionName=id_),
        update=resources.event_invoke_config,
        delete=lambda root, id_, _: root.functions.delete_function_event_invoke_config(FunctionName=id_),
        replaced_by=frozenset({"functionName", "qualifier"}),
        computed=(),
    )


def types(dependencies: Path) -> dict[str, Lifecycle]:
    """Map type tokens to their lifecycles; ``dependencies`` are the functions', built for this machine."""
    return {
        "aws:lambda/eventSourceMapping:EventSourceMapping": _event_source_mapping(),
        "aws:lambda/function:Function": _function(dependencies),
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": _event_invoke_config(),
        "aws:lambda/permission:Permission": _permission(),
    }
