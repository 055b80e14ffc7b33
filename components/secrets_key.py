"""The KMS key that SSM keeps secrets under: users' encryption keys, and the mailer's password or API key.

By default the stack makes a key of its own. Whoever can read both a mail and what opens it is the user: AWS's own key
opens for every principal that may read a parameter, as many auditors may.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components import key_policies
from components.account import Account
from components.customer_key import CustomerKey, CustomerKeyArgs
from components.mailer import secret_parameter_name
from components.previous import Previous
from components.settings import AWS_MANAGED, OWN, Settings


@dataclass(frozen=True, kw_only=True)
class SecretsKey:
    """Which keys there are.

    Attributes:
        current: the key for what is stored from now on; None: SSM's own.
        own: the stack's own key, current or kept for mails that were sent before.
    """

    current: pulumi.Output[str] | None
    own: pulumi.Output[str] | None

    @property
    def readable(self) -> list[pulumi.Output[str]]:
        """Every key that encryption keys may lie under."""
        kept = self.own if self.own is not self.current else None
        return [key for key in (self.current, kept) if key is not None]


def for_stack(settings: Settings, account: pulumi.Output[Account], deployed: Previous) -> SecretsKey:
    """Make the stack's own key, where it is wanted, or still needed."""
    chosen = settings.encryption.secrets_key
    used = settings.encryption.encrypt_key_pair or settings.mail.via is not None
    if used and chosen == AWS_MANAGED:
        pulumi.warn(
            "secretsKmsKeyArn is aws-managed: whoever may read parameters in SSM, as the policy ReadOnlyAccess lets "
            "auditors, can read every user's encryption key, and with it the ledger's record of an unread mail. "
            "Without secretsKmsKeyArn the stack makes a key of its own, which opens for each user alone.",
        )
    wanted = used and chosen == OWN
    kept = deployed.secrets_key_arn is not None and settings.encryption.keep_decryption_policy
    own = _own(settings, account).key_arn if wanted or kept else None
    if wanted:
        return SecretsKey(current=own, own=own)
    customers = pulumi.Output.from_input(chosen) if used and chosen not in {AWS_MANAGED, OWN} else None
    return SecretsKey(current=customers, own=own)


def _own(settings: Settings, account: pulumi.Output[Account]) -> CustomerKey:
    prefix, via = settings.name_prefix, settings.mail.via

    def policy(account: Account) -> str:
        # By their names, which are known before the role and the parameter are there.
        return key_policies.secrets_key(
            account,
            rotator_role_arn=account.iam_arn(f"role/{prefix}-rotator"),
            mailer_secret_arn=account.arn("ssm", f"parameter{secret_parameter_name(prefix, via)}") if via else None,
        )

    return CustomerKey(
        "secrets",
        CustomerKeyArgs(
            alias=f"{prefix}-secrets",
            description=f"What {prefix} keeps in SSM: each user decrypts the encryption key of their own mails",
            policy=account.apply(policy),
            tags=settings.tags,
        ),
    )
