"""What the chosen mailer needs of the cloud: a place for its secret, and what the functions must know and may do.

How mails are written and sent is the functions' business. A secret goes from the stack's configuration into SSM and
nowhere else: the functions learn the name of the parameter, and read it themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.account import Account
from components.settings import Mail, Mailgun, Smtp


@dataclass(frozen=True, kw_only=True)
class MailerArgs:
    """``secrets_key_arn`` is the key that the mailer's secret lies under; None: SSM's own.

    ``script_url`` is where readers find ``decryption.py``; None: nobody knows, or they need none.
    """

    name_prefix: str
    account: pulumi.Output[Account]
    mail: Mail
    script_url: str | None
    secrets_key_arn: pulumi.Output[str] | None
    tags: Mapping[str, str]


class Mailer(pulumi.ComponentResource):
    """The mailer's secret, if it has one, and the environment and policy statements that every sender needs.

    ``statements`` are for the functions' code, ``key_statements`` for SSM, which decrypts for them. With SES,
    ``configuration_set`` names the set whose events tell of mails that come back; the others tell nobody.
    """

    environment: Mapping[str, pulumi.Input[str]]
    statements: pulumi.Output[list[policies.Statement]]
    key_statements: pulumi.Output[list[policies.Statement]]
    secret_parameter_arn: pulumi.Output[str] | None
    configuration_set: pulumi.Output[str] | None

    def __init__(self, name: str, args: MailerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:Mailer", name, None, opts)
        self.environment = {
            "MAIL_FROM": args.mail.sender,
            "ALLOWED_EMAIL_DOMAINS": ",".join(args.mail.allowed_domains) or "*",
            **_told_to_readers(args),
            **_route(args.mail.via),
        }
        if args.mail.via is None:
            self.secret_parameter_arn = None
            self.configuration_set = self._events_of_mails(name, args)
            self.environment = {**self.environment, "SES_CONFIGURATION_SET": self.configuration_set}
            self.statements = args.account.apply(
                lambda account: policies.mail_through_ses(account, args.mail.sender_address, args.mail.allowed_domains),
            )
            self.key_statements = pulumi.Output.from_input([])
        else:
            self.configuration_set = None
            secret = _secret_of(args.mail.via)
            parameter_name = secret_parameter_name(args.name_prefix, args.mail.via)
            parameter = aws.ssm.Parameter(
                f"{name}-secret",
                name=parameter_name,
                description="What mails about access keys are sent with",
                type="SecureString",
                key_id=args.secrets_key_arn,
                value=secret.value,
                tags=args.tags,
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.environment = {**self.environment, secret.variable: parameter.name}
            # By its name, which is known before the parameter is there: so a preview shows policies in full.
            self.secret_parameter_arn = args.account.apply(
                lambda account: account.arn("ssm", f"parameter{parameter_name}"),
            )
            self.statements = self.secret_parameter_arn.apply(policies.mailer_secret)
            self.key_statements = (
                pulumi.Output.from_input([])
                if args.secrets_key_arn is None
                else pulumi.Output.all(
                    account=args.account, parameter_arn=self.secret_parameter_arn, kms_key_arn=args.secrets_key_arn
                ).apply(lambda known: policies.opens_mailer_secret(**known))
            )
        self.register_outputs({"secret_parameter_arn": self.secret_parameter_arn})

    def _events_of_mails(self, name: str, args: MailerArgs) -> pulumi.Output[str]:
        """Have SES publish which mails came back. To EventBridge it does so on the default bus alone."""
        child = pulumi.ResourceOptions(parent=self)
        mails = aws.sesv2.ConfigurationSet(
            f"{name}-mails",
            configuration_set_name=args.name_prefix,
            # A mail may carry a secret in plain text: to a server that takes none over TLS it does not go.
            delivery_options=aws.sesv2.ConfigurationSetDeliveryOptionsArgs(tls_policy="REQUIRE"),
            tags=args.tags,
            opts=child,
        )
        aws.sesv2.ConfigurationSetEventDestination(
            f"{name}-returned",
            configuration_set_name=mails.configuration_set_name,
            event_destination_name="returned-mails",
            event_destination=aws.sesv2.ConfigurationSetEventDestinationEventDestinationArgs(
                enabled=True,
                matching_event_types=["BOUNCE", "COMPLAINT", "REJECT"],
                event_bridge_destination=aws.sesv2.ConfigurationSetEventDestinationEventDestinationEventBridgeDestinationArgs(
                    event_bus_arn=args.account.apply(lambda account: account.arn("events", "event-bus/default")),
                ),
            ),
            opts=child,
        )
        return mails.configuration_set_name


def secret_parameter_name(name_prefix: str, via: Smtp | Mailgun) -> str:
    """Name the parameter of the mailer's secret: outside the paths of the users' encryption keys."""
    return f"/{name_prefix}/mailer/{_secret_of(via).name}"


def _told_to_readers(args: MailerArgs) -> Mapping[str, str]:
    told = {
        "HELP_URL": args.mail.help_url,
        "DECRYPTION_SCRIPT_URL": args.script_url,
        "SUPPORT_CONTACT": args.mail.support_contact,
        "REPLY_TO": args.mail.reply_to,
    }
    return {variable: value for variable, value in told.items() if value}


def _route(via: Smtp | Mailgun | None) -> Mapping[str, str]:
    match via:
        case None:
            return {"MAIL_CLIENT": "ses"}
        case Smtp():
            return {
                "MAIL_CLIENT": "smtp",
                "SMTP_SERVER": via.server,
                "SMTP_PORT": str(via.port),
                "SMTP_PROTOCOL": via.protocol,
                "SMTP_USERNAME": via.username,
            }
        case Mailgun():
            return {"MAIL_CLIENT": "mailgun", "MAILGUN_API_URL": via.api_url}


@dataclass(frozen=True, kw_only=True)
class _Secret:
    """A mailer's secret, and the environment variable that tells the functions where it lies."""

    name: str
    variable: str
    value: pulumi.Output[str]


def _secret_of(via: Smtp | Mailgun) -> _Secret:
    match via:
        case Smtp():
            return _Secret(name="smtp-password", variable="SMTP_PASSWORD_PARAMETER", value=via.password)
        case Mailgun():
            return _Secret(name="mailgun-api-key", variable="MAILGUN_API_KEY_NAME", value=via.api_key)
