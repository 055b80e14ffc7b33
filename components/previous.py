"""What the last deployment of this very stack put out: how the program knows what is there already.

It asks Pulumi's engine for the stack's own outputs, before it describes anything. A new stack has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

TABLE_NAME, DECRYPT_POLICY_ARN, SECRETS_KEY_ARN = "tableName", "decryptPolicyArn", "secretsKeyArn"
"""The outputs that the next deployment reads: once deployed, never renamed."""

_READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"


class RenameRefused(pulumi.RunError):
    """The stack's ledger would be replaced by an empty one. Pulumi shows the message without a trace."""


@dataclass(frozen=True, kw_only=True)
class Previous:
    """The last deployment. None stands for what it did not have, and for a stack that was never deployed."""

    table_name: str | None
    decrypt_policy_arn: str | None
    secrets_key_arn: str | None

    def refuse_to_rename(self, name_prefix: str) -> None:
        """Keep a deployed stack's ledger, which knows the keys that are still to be deleted.

        Raises:
            RenameRefused: the stack's ledger bears another name.
        """
        if self.table_name not in {None, name_prefix}:
            raise RenameRefused(
                f"namePrefix is {name_prefix!r}, but this stack is deployed as {self.table_name!r}, and its ledger "
                f"cannot be renamed: a new one would know of no key that is still to be deleted.\n"
                f"  - Keep the name: pulumi config set namePrefix {self.table_name}\n"
                f"  - Rename the stack: take it down with .venv/bin/python scripts/take_down.py, then deploy it under "
                f'the new name (README, "Rename a stack")',
            )


def load() -> Previous:
    """Ask Pulumi's engine for the outputs of the last deployment."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    root = pulumi.runtime.get_root_resource()
    # A state that is kept in files cannot be read while it is written. Once the stack itself is registered, nothing is
    # written until the next resource is.
    quiet = root.urn.apply(lambda _: name) if root else name
    found = pulumi.runtime.invoke(_READ_OUTPUTS, {"name": quiet}).value or {}
    outputs = found.get("outputs") or {}
    return Previous(
        table_name=outputs.get(TABLE_NAME),
        decrypt_policy_arn=outputs.get(DECRYPT_POLICY_ARN),
        secrets_key_arn=outputs.get(SECRETS_KEY_ARN),
    )
