"""The policy under which users decrypt their own mails. Who gets it is for administrators to say.

It outlives encryption: IAM does not delete a policy that is attached, and mails that were sent before may be unread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.account import Account
from components.previous import Previous
from components.settings import Encryption


@dataclass(frozen=True, kw_only=True)
class DecryptionPolicyArgs:
    """``secrets_key_arns`` are the keys that encryption keys lie under; none: SSM's own key, open to all readers."""

    policy_name: str
    account: pulumi.Output[Account]
    secrets_key_arns: Sequence[pulumi.Input[str]]
    tags: Mapping[str, str]


class DecryptionPolicy(pulumi.ComponentResource):
    """A managed policy under which a user reads the one encryption key that is theirs."""

    policy_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DecryptionPolicyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:DecryptionPolicy", name, None, opts)
        policy = aws.iam.Policy(
            f"{name}-policy",
            name=args.policy_name,
            description="Read the encryption key of one's own mails about access keys",
            policy=pulumi.Output.all(account=args.account, keys=pulumi.Output.all(*args.secrets_key_arns)).apply(
                lambda known: policies.document(
                    policies.decryption(known["account"], secrets_kms_key_arns=known["keys"])
                ),
            ),
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.policy_arn = policy.arn
        self.register_outputs({"policy_arn": self.policy_arn})


def is_wanted(encryption: Encryption, deployed: Previous) -> bool:
    """Tell whether the stack has the policy: while it encrypts, and afterwards until it is told to let it go."""
    if encryption.encrypt_key_pair:
        return True
    if deployed.decrypt_policy_arn is None:
        return False
    if encryption.keep_decryption_policy:
        pulumi.warn(
            "New mails carry their key pair in plain text. The policy for decrypting stays, for mails that were sent "
            'before; the README says how to remove it, under "Turn encryption off".',
        )
        return True
    pulumi.warn(
        "The policy for decrypting goes. IAM deletes it only when it is attached to nobody, so first run: "
        ".venv/bin/python scripts/take_down.py --detach-only",
    )
    return False
