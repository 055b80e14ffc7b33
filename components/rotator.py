"""The rotator: the function that replaces keys, what starts it, and the alarm for when it falls silent.

It is started by a schedule and, where SES sends the mails, by each mail that comes back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_aws as aws

from components import policies
from components.account import Account
from components.alarms import AlarmArgs, alarm
from components.key_function import KeyFunction, KeyFunctionArgs, Service

_HOUR = timedelta(hours=1)
# CloudWatch looks back seven days at most: Period times EvaluationPeriods in the reference of PutMetricAlarm.
_LONGEST_WATCH = timedelta(days=7)
_EVENT_AGE_SECONDS = 60 * 60


@dataclass(frozen=True, kw_only=True)
class RotatorArgs:
    """What the rotator stands on; its schedule is part of the settings."""

    service: Service


class Rotator(pulumi.ComponentResource):
    """A function on a schedule that finds keys grown too old, and gives their users new ones."""

    function_name: pulumi.Output[str]
    schedule: pulumi.Output[str]
    alarm_arns: list[pulumi.Output[str]]

    def __init__(self, name: str, args: RotatorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:Rotator", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        service, settings = args.service, args.service.settings
        encrypted = settings.encryption.encrypt_key_pair
        function = KeyFunction(
            name,
            KeyFunctionArgs(
                service=service,
                role_name="rotator",
                description="Replaces the access keys of IAM users before they grow old",
                timeout_seconds=settings.rotator_timeout,
                statements=pulumi.Output.all(
                    account=service.account,
                    table_arn=service.ledger.table_arn,
                    alarm_topic_arn=service.alarm_topic_arn,
                ).apply(
                    lambda known: policies.rotator(
                        known["account"],
                        table_arn=known["table_arn"],
                        alarm_topic_arn=known["alarm_topic_arn"],
                        encrypted=encrypted,
                        user_paths=settings.policy.user_paths,
                        email_domains=settings.mail.allowed_domains,
                    ),
                ),
                service_statements=pulumi.Output.from_input([])
                if service.secrets_key_arn is None or not encrypted
                else pulumi.Output.all(service.account, service.secrets_key_arn).apply(
                    lambda known: policies.seals(*known)
                ),
                failures={
                    "RotationsFailed": "Keys that are due could not be replaced; the rotator's log names the users.",
                    "UsersMisconfigured": "Users have IKR tags that cannot be used, and keep their old keys until the "
                    "tags are fixed; the rotator's log names them.",
                    "KeysOverdue": "Active keys are older than auditDays, whoever made them; the rotator's summary "
                    "names their users.",
                    "AddressesChanged": "Somebody changed the address that users' new keys are mailed to. The old "
                    "addresses were told, and nothing is rotated for addressHoldDays; the rotator's log names the "
                    "users.",
                    "MailsReturned": "Mails came back, and their users may not have their new keys; the rotator's log "
                    "names them. Correct IKR:EMAIL.",
                    "Dormant": "Keys have reached their limit without ever being used, and were deactivated; the "
                    "rotator's log names their users.",
                    "LedgerItemsMalformed": "Items of the ledger cannot be read, and their users' keys are not "
                    "rotated; the rotator's log names them.",
                    "LedgerOutOfStep": "The ledger knows so few of the account's keys that it must have been lost, or "
                    "restored to an earlier state: keys on their way out may have been forgotten. Rings at the first "
                    "run of a new stack, too.",
                },
                environment={},
            ),
            child,
        )
        # The schedule is the retry. Lambda's own retries, minutes apart, would make and unmake keys for nothing while,
        # say, the mail service is down.
        aws.lambda_.FunctionEventInvokeConfig(
            f"{name}-invocations",
            function_name=function.function_name,
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=_EVENT_AGE_SECONDS,
            destination_config=aws.lambda_.FunctionEventInvokeConfigDestinationConfigArgs(
                on_failure=aws.lambda_.FunctionEventInvokeConfigDestinationConfigOnFailureArgs(
                    destination=service.dead_letters.queue_arn,
                ),
            ),
            opts=child,
        )
        schedule = aws.cloudwatch.EventRule(
            f"{name}-schedule",
            name=f"{settings.name_prefix}-schedule",
            description="Starts the rotator",
            schedule_expression=settings.schedule.expression,
            tags=settings.tags,
            opts=child,
        )
        triggers = {"": schedule}
        if service.mailer.configuration_set is not None:
            triggers["-returned"] = aws.cloudwatch.EventRule(
                f"{name}-returned",
                name=f"{settings.name_prefix}-returned-mails",
                description="Tells the rotator of mails that came back",
                event_pattern=service.mailer.configuration_set.apply(_mails_that_came_back),
                tags=settings.tags,
                opts=child,
            )
        rule_arns = {suffix: _arn_of_rule(service.account, rule) for suffix, rule in triggers.items()}
        undelivered = aws.sqs.QueuePolicy(
            f"{name}-undelivered",
            queue_url=service.dead_letters.queue_url,
            policy=pulumi.Output.all(
                queue_arn=service.dead_letters.queue_arn,
                rule_arns=pulumi.Output.all(*rule_arns.values()),
            ).apply(lambda known: policies.queue(**known)),
            opts=child,
        )
        for suffix, rule in triggers.items():
            aws.lambda_.Permission(
                f"{name}{suffix}-permission",
                function=function.function_name,
                action="lambda:InvokeFunction",
                principal="events.amazonaws.com",
                source_arn=rule_arns[suffix],
                opts=child,
            )
            aws.cloudwatch.EventTarget(
                f"{name}{suffix}-target",
                rule=rule.name,
                arn=function.function_arn,
                dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=service.dead_letters.queue_arn),
                retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=_EVENT_AGE_SECONDS,
                    maximum_retry_attempts=10,
                ),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[undelivered]),
            )
        self.function_name = function.function_name
        self.alarm_arns = function.alarm_arns + self._watch_for_silence(name, args, function.function_name)
        self.schedule = schedule.schedule_expression.apply(lambda expression: expression or "")
        self.register_outputs({"function_name": self.function_name, "schedule": self.schedule})

    def _watch_for_silence(
        self, name: str, args: RotatorArgs, function_name: pulumi.Output[str]
    ) -> list[pulumi.Output[str]]:
        """Ring when the rotator has not run for two periods of its schedule."""
        service, settings = args.service, args.service.settings
        gap = settings.schedule.longest_gap
        if gap is None or 2 * gap > _LONGEST_WATCH:
            pulumi.warn(
                f"No alarm will tell if the rotator stops running: CloudWatch looks back seven days at most, and two "
                f"periods of {settings.schedule.expression} may be longer. A schedule that runs at least every three "
                "days has the alarm; the rotator leaves keys alone that are not due.",
            )
            return []
        # Windows of an hour follow the clock closely, and are long enough for CloudWatch to look back seven days.
        period = min(gap, _HOUR)
        silent = alarm(
            f"{name}-silent",
            AlarmArgs(
                alarm_name=f"{settings.name_prefix}-rotator-silent",
                description="The rotator has not run for two periods of its schedule, so keys grow old unseen. Rings "
                "after the first deployment too, until the first run.",
                namespace="AWS/Lambda",
                metric="Invocations",
                dimensions={"FunctionName": function_name},
                comparison="LessThanThreshold",
                threshold=1,
                period_seconds=int(period.total_seconds()),
                periods=-(-2 * gap // period),
                silence_is_trouble=True,
                topic_arn=service.alarm_topic_arn,
                tags=settings.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        return [silent.arn]


def _arn_of_rule(account: pulumi.Output[Account], rule: aws.cloudwatch.EventRule) -> pulumi.Output[str]:
    """Name a rule before it is there: so a preview shows the queue's policy in full."""
    return pulumi.Output.all(account=account, name=rule.name).apply(
        lambda known: known["account"].arn("events", f"rule/{known['name']}"),
    )


def _mails_that_came_back(configuration_set: str) -> str:
    """Match SES's events of this stack's mails, those alone after which it is no use to try again.

    https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-ses.html
    """
    return json.dumps(
        {
            "source": ["aws.ses"],
            "detail-type": ["Email Bounced", "Email Complaint Received", "Email Rejected"],
            "detail": {
                "mail": {"tags": {"ses:configuration-set": [configuration_set]}},
                "$or": [{"bounce": {"bounceType": ["Permanent"]}}, {"eventType": ["Complaint", "Reject"]}],
            },
        }
    )
