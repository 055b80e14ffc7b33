"""DynamoDB: the ledger."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.local_cloud import resources
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.lifecycle.contract import Lifecycle
from scripts.local_cloud.resources import Inputs


def _table() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.dynamodb.update_table(
            TableName=id_, DeletionProtectionEnabled=bool(inputs.get("deletionProtectionEnabled"))
        )

    return Lifecycle(
        create=resources.table,
        read=lambda root, id_, _: root.dynamodb.describe_table(TableName=id_),
        update=update,
        delete=lambda root, id_, _: root.dynamodb.delete_table(TableName=id_),
        replaced_by=frozenset({"name", "hashKey", "rangeKey"}),
        computed=("arn", "streamArn"),
    )


TYPES: Mapping[str, Lifecycle] = {
    "aws:dynamodb/table:Table": _table(),
}
