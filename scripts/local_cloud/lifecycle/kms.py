"""KMS: keys and their names."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.local_cloud import resources
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.lifecycle.contract import Gone, Lifecycle, must_be_there
from scripts.local_cloud.resources import Inputs


def _key() -> Lifecycle:
    def read(root: Clients, id_: str, _inputs: Inputs) -> None:
        """Look for a key; one that waits for its deletion is gone to the provider."""
        if root.kms.describe_key(KeyId=id_)["KeyMetadata"]["KeyState"] == "PendingDeletion":
            raise Gone(id_)

    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.kms.put_key_policy(KeyId=id_, Policy=inputs["policy"])
        root.kms.update_key_description(KeyId=id_, Description=inputs["description"])

    def delete(root: Clients, id_: str, inputs: Inputs) -> None:
        root.kms.schedule_key_deletion(KeyId=id_, PendingWindowInDays=int(inputs["deletionWindowInDays"]))

    return Lifecycle(
        create=resources.kms_key,
        read=read,
        update=update,
        delete=delete,
        replaced_by=frozenset({"customerMasterKeySpec", "keyUsage", "multiRegion"}),
        computed=("arn", "keyId"),
    )


def _alias() -> Lifecycle:
    def read(root: Clients, id_: str, _inputs: Inputs) -> None:
        must_be_there(id_, [alias["AliasName"] for alias in root.kms.list_aliases()["Aliases"]])

    return Lifecycle(
        create=resources.kms_alias,
        read=read,
        update=lambda root, id_, inputs: root.kms.update_alias(AliasName=id_, TargetKeyId=inputs["targetKeyId"]),
        delete=lambda root, id_, _: root.kms.delete_alias(AliasName=id_),
        replaced_by=frozenset({"name"}),
        computed=("arn", "targetKeyArn"),
    )


TYPES: Mapping[str, Lifecycle] = {
    "aws:kms/alias:Alias": _alias(),
    "aws:kms/key:Key": _key(),
}
