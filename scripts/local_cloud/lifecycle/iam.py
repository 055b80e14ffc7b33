"""IAM: roles and policies."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.local_cloud import resources
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.lifecycle.contract import Lifecycle
from scripts.local_cloud.resources import Inputs


def _role() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.iam.update_assume_role_policy(RoleName=id_, PolicyDocument=inputs["assumeRolePolicy"])

    return Lifecycle(
        create=resources.role,
        read=lambda root, id_, _: root.iam.get_role(RoleName=id_),
        update=update,
        delete=lambda root, id_, _: root.iam.delete_role(RoleName=id_),
        replaced_by=frozenset({"name", "path"}),
        computed=("arn", "uniqueId"),
    )


def _role_policy() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        role, name = id_.split(":")
        root.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=inputs["policy"])

    def read(root: Clients, id_: str, _inputs: Inputs) -> None:
        role, name = id_.split(":")
        root.iam.get_role_policy(RoleName=role, PolicyName=name)

    def delete(root: Clients, id_: str, _inputs: Inputs) -> None:
        role, name = id_.split(":")
        root.iam.delete_role_policy(RoleName=role, PolicyName=name)

    return Lifecycle(
        create=resources.role_policy,
        read=read,
        update=update,
        delete=delete,
        replaced_by=frozenset({"name", "role"}),
        computed=(),
    )


def _policy() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        """Make a new default version; IAM keeps five at most, so the others go, as the provider has it."""
        root.iam.create_policy_version(PolicyArn=id_, PolicyDocument=inputs["policy"], SetAsDefault=True)
        _delete_old_versions(root, id_)

    def delete(root: Clients, id_: str, _inputs: Inputs) -> None:
        _delete_old_versions(root, id_)
        root.iam.delete_policy(PolicyArn=id_)

    return Lifecycle(
        create=resources.policy,
        read=lambda root, id_, _: root.iam.get_policy(PolicyArn=id_),
        update=update,
        delete=delete,
        replaced_by=frozenset({"name", "path", "description"}),
        computed=("arn", "policyId"),
    )


def _delete_old_versions(root: Clients, arn: str) -> None:
    for version in root.iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            root.iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])


TYPES: Mapping[str, Lifecycle] = {
    "aws:iam/policy:Policy": _policy(),
    "aws:iam/role:Role": _role(),
    "aws:iam/rolePolicy:RolePolicy": _role_policy(),
}
