"""The destructor: the function that deletes old keys, and the stream of the ledger that tells it when."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.alarms import AlarmArgs, alarm
from components.key_function import KeyFunction, KeyFunctionArgs, Service

# A removed item that was on its way out, or given up; all else on the stream is none of the destructor's business.
_ENDING_REMOVED = {
    "eventName": ["REMOVE"],
    "dynamodb": {"OldImage": {"status": {"S": ["expiring", "inactive", "failed"]}}},
}
_BATCH_SIZE = 10
_RETRIES = 10
# The stream keeps records for 24 hours. What is given up before that still reaches the dead-letter queue.
_RECORD_AGE_SECONDS = 20 * 60 * 60
_LAG_MILLISECONDS = 60 * 60 * 1000


@dataclass(frozen=True, kw_only=True)
class DestructorArgs:
    """What the destructor stands on."""

    service: Service


class Destructor(pulumi.ComponentResource):
    """A function on the ledger's stream that deletes the keys whose time has come."""

    function_name: pulumi.Output[str]
    alarm_arns: list[pulumi.Output[str]]

    def __init__(self, name: str, args: DestructorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:Destructor", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        service, settings = args.service, args.service.settings
        function = KeyFunction(
            name,
            KeyFunctionArgs(
                service=service,
                role_name="destructor",
                description="Ends the access keys whose successors are in use",
                timeout_seconds=settings.destructor_timeout,
                statements=pulumi.Output.all(
                    account=service.account,
                    table_arn=service.ledger.table_arn,
                    alarm_topic_arn=service.alarm_topic_arn,
                ).apply(
                    lambda known: policies.destructor(
                        known["account"],
                        table_arn=known["table_arn"],
                        alarm_topic_arn=known["alarm_topic_arn"],
                        user_paths=settings.policy.user_paths,
                        email_domains=settings.mail.allowed_domains,
                    ),
                ),
                service_statements=service.ledger.stream_arn.apply(policies.stream_reader),
                failures={
                    "DeletionsGivenUp": "Old keys could not be deleted in all attempts and are still usable; the "
                    "destructor's log names them, and each rotator run tries once more.",
                    "LastKeyProtected": "A deletion was cancelled, since the user's new key is gone or inactive.",
                    "Unconfirmed": "Users have not used their new keys though the grace period is over; their old keys "
                    "are put off, and then deactivated. The destructor's log names them. Ask them, or mail another key "
                    "with scripts/invoke.py --again.",
                    "MailsFailed": "People were not told that their old keys were deactivated or deleted; the "
                    "destructor's log names them, and why.",
                    "RecordsParked": "Records of the ledger's stream could not be read, or ordered what the ledger "
                    "does not bear out. Nothing was done, and they wait in the dead-letter queue.",
                },
                environment={
                    "DEAD_LETTER_QUEUE_URL": service.dead_letters.queue_url,
                },
            ),
            child,
        )
        aws.lambda_.EventSourceMapping(
            f"{name}-stream",
            function_name=function.function_name,
            event_source_arn=service.ledger.stream_arn,
            # LATEST could miss deletions while the mapping is made or changed.
            starting_position="TRIM_HORIZON",
            filter_criteria=aws.lambda_.EventSourceMappingFilterCriteriaArgs(
                filters=[
                    aws.lambda_.EventSourceMappingFilterCriteriaFilterArgs(pattern=json.dumps(_ENDING_REMOVED)),
                ],
            ),
            batch_size=_BATCH_SIZE,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=_RETRIES,
            maximum_record_age_in_seconds=_RECORD_AGE_SECONDS,
            parallelization_factor=1,
            function_response_types=["ReportBatchItemFailures"],
            destination_config=aws.lambda_.EventSourceMappingDestinationConfigArgs(
                on_failure=aws.lambda_.EventSourceMappingDestinationConfigOnFailureArgs(
                    destination_arn=service.dead_letters.queue_arn,
                ),
            ),
            tags=settings.tags,
            opts=child,
        )
        lag = alarm(
            f"{name}-lag",
            AlarmArgs(
                alarm_name=f"{settings.name_prefix}-destructor-lag",
                description="The destructor is more than an hour behind the ledger's stream; what it does not read "
                "within a day is lost to it until the rotator sweeps.",
                namespace="AWS/Lambda",
                metric="IteratorAge",
                dimensions={"FunctionName": function.function_name},
                statistic="Maximum",
                threshold=_LAG_MILLISECONDS,
                topic_arn=service.alarm_topic_arn,
                tags=settings.tags,
            ),
            child,
        )
        self.function_name = function.function_name
        self.alarm_arns = [*function.alarm_arns, lag.arn]
        self.register_outputs({"function_name": self.function_name})
