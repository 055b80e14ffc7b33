"""A KMS key of the stack's own, rotated every year, under a name that people recognize."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

# The longest time that KMS leaves for a change of mind, in days.
_DELETION_WINDOW_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class CustomerKeyArgs:
    """``alias`` is the key's name, without ``alias/``; ``policy`` is the last word on who may use it."""

    alias: str
    description: str
    policy: pulumi.Input[str]
    tags: Mapping[str, str]


class CustomerKey(pulumi.ComponentResource):
    """A symmetric key and its alias."""

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: CustomerKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:CustomerKey", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = aws.kms.Key(
            f"{name}-key",
            description=args.description,
            enable_key_rotation=True,
            deletion_window_in_days=_DELETION_WINDOW_DAYS,
            policy=args.policy,
            tags=args.tags,
            opts=child,
        )
        aws.kms.Alias(f"{name}-alias", name=f"alias/{args.alias}", target_key_id=key.key_id, opts=child)
        self.key_arn = key.arn
        self.register_outputs({"key_arn": self.key_arn})
