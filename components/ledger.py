"""The ledger: the table that says which key is in use, which one is on its way out, and when it goes.

It owns the table, its time-to-live and its stream. A stack is known by it: it is created first and deleted last.
What the items mean is the functions' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class KeyLedgerArgs:
    """``kms_key_arn`` is a customer key for encryption at rest; None leaves that to DynamoDB's own key."""

    table_name: str
    kms_key_arn: str | None
    point_in_time_recovery: bool
    tags: Mapping[str, str]


class KeyLedger(pulumi.ComponentResource):
    """A table with one item per key, which DynamoDB removes when they fall due and so hands to the destructor."""

    table_name: pulumi.Output[str]
    table_arn: pulumi.Output[str]
    stream_arn: pulumi.Output[str]

    def __init__(self, name: str, args: KeyLedgerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:KeyLedger", name, None, opts)
        table = aws.dynamodb.Table(
            f"{name}-table",
            name=args.table_name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="user",
            range_key="ak",
            attributes=[
                aws.dynamodb.TableAttributeArgs(name="user", type="S"),
                aws.dynamodb.TableAttributeArgs(name="ak", type="S"),
            ],
            ttl=aws.dynamodb.TableTtlArgs(attribute_name="delete_on", enabled=True),
            stream_enabled=True,
            # The old image is the whole order to delete: by the time it is read, the item is gone.
            stream_view_type="OLD_IMAGE",
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=args.point_in_time_recovery),
            server_side_encryption=None
            if args.kms_key_arn is None
            else aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=args.kms_key_arn),
            # Without its ledger the service would forget which keys are still to be deleted.
            deletion_protection_enabled=True,
            tags=args.tags,
            # Pulumi then refuses, at preview, to delete or replace it.
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        self._table = table
        self.table_name = table.name
        self.table_arn = table.arn
        self.stream_arn = table.stream_arn
        self.register_outputs(
            {"table_name": self.table_name, "table_arn": self.table_arn, "stream_arn": self.stream_arn},
        )

    def goes_first(self) -> None:
        """Let every resource that is described from now on wait for the table.

        DynamoDB refuses a second table of the same name. SQS, SNS, EventBridge and CloudWatch would hand a second stack
        the first one's queue, topic, rule and alarms. So a second stack of the same name fails at its first resource.
        """
        pulumi.runtime.register_stack_transformation(self._wait_for_the_table)

    def _wait_for_the_table(
        self, args: pulumi.ResourceTransformationArgs
    ) -> pulumi.ResourceTransformationResult | None:
        if not isinstance(args.resource, pulumi.CustomResource):
            return None
        waiting = pulumi.ResourceOptions(depends_on=[self._table])
        return pulumi.ResourceTransformationResult(
            props=args.props, opts=pulumi.ResourceOptions.merge(args.opts, waiting)
        )
