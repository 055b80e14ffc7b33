"""Where the stack is deployed: the partition, region and account that every ARN is made of."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class Account:
    """One account in one region of one partition (``aws``, ``aws-cn``, ``aws-us-gov`` …)."""

    partition: str
    region: str
    id: str

    def arn(self, service: str, resource: str) -> str:
        """Name a regional resource of this account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.id}:{resource}"

    def iam_arn(self, resource: str) -> str:
        """Name an IAM resource of this account: IAM is global, so its ARNs have no region."""
        return f"arn:{self.partition}:iam::{self.id}:{resource}"

    def via(self, service: str) -> list[str]:
        """Name a service as ``kms:ViaService`` spells it.

        In China some services present themselves to KMS under the partition's own domain and others do not.
        """
        name = f"{service}.{self.region}.amazonaws.com"
        return [name, f"{name}.cn"] if self.partition == "aws-cn" else [name]


class NoSes(pulumi.RunError):
    """Where the stack is deployed to there is no SES. Pulumi shows the message without a trace."""


# https://docs.aws.amazon.com/general/latest/gr/ses.html
_PARTITIONS_WITH_SES = frozenset({"aws", "aws-us-gov"})


def refuse_without_ses() -> None:
    """Stop, before anything is described, where SES cannot send the mails.

    Raises:
        NoSes: AWS has no SES in this partition.
    """
    partition = aws.get_partition().partition
    if partition not in _PARTITIONS_WITH_SES:
        raise NoSes(
            "The configuration of this stack cannot be deployed:\n"
            f"  - mailer is 'ses', which the partition {partition} does not have: set mailer to smtp or mailgun",
        )


def current_account() -> pulumi.Output[Account]:
    """Ask the stack's provider where it deploys to."""
    return pulumi.Output.all(
        partition=aws.get_partition_output().partition,
        region=aws.get_region_output().region,
        id=aws.get_caller_identity_output().account_id,
    ).apply(lambda found: Account(**found))
