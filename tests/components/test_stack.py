"""The resources themselves, as ``__main__.py`` asks for them."""

from __future__ import annotations

import json
import re
from inspect import signature

import pulumi_aws as aws
import pytest

from components.account import NoSes
from tests.components.recorder import (
    ACCOUNT,
    EVERY_KIND,
    KMS_KEYS,
    MAILERS,
    Deployment,
    deployed,
    is_secret,
    key_arn,
    plain,
)

FUNCTION = "aws:lambda/function:Function"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
PARAMETER = "aws:ssm/parameter:Parameter"
TABLE = "aws:dynamodb/table:Table"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
KEY = "aws:kms/key:Key"
SECRETS_KEY, MESSAGES_KEY = (key_arn("aws", name) for name in ("secrets-key", "messages-key"))
DEAD_LETTERS = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:iam-key-rotator-dead-letters"
COMMON_VARIABLES = {
    "IAM_KEY_ROTATOR_TABLE": "iam-key-rotator",
    "ACCOUNT_ID": ACCOUNT,
    "ROTATE_AFTER_DAYS": "80",
    "DELETE_AFTER_DAYS": "5",
    "RECOVERY_DAYS": "0",
    "REMINDER_DAYS": "1",
    "ANNOUNCE_DAYS": "0",
    "GRACE_EXTENSION_DAYS": "14",
    "DELETE_UNCONFIRMED": "false",
    "ADDRESS_HOLD_DAYS": "2",
    "AUDIT_DAYS": "90",
    "USER_PATHS": "/",
    "RETRY_AFTER_MINS": "5",
    "MAX_DELETION_ATTEMPTS": "12",
    "ENCRYPT_KEY_PAIR": "true",
    "MAIL_FROM": "keys@example.com",
    "ALLOWED_EMAIL_DOMAINS": "example.com",
    "SECRETS_KMS_KEY_ARN": SECRETS_KEY,
    "POWERTOOLS_METRICS_NAMESPACE": "iam-key-rotator",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}
BOTH = pytest.mark.parametrize("role", ["rotator", "destructor"])


class TestOutputs:
    """Operators and scripts find the service by the stack's outputs."""

    def test_default_stack(self, stack: Deployment) -> None:
        assert stack.outputs == {
            "tableName": "iam-key-rotator",
            "rotatorFunctionName": "iam-key-rotator-rotator",
            "destructorFunctionName": "iam-key-rotator-destructor",
            "schedule": "cron(0 12 * * ? *)",
            "decryptPolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/iam-key-rotator-decryption",
            "deadLetterQueueUrl": f"https://sqs.eu-central-1.amazonaws.com/{ACCOUNT}/iam-key-rotator-dead-letters",
            "alarmTopicArn": f"arn:aws:sns:eu-central-1:{ACCOUNT}:iam-key-rotator-alarms",
            "dashboardName": "iam-key-rotator",
            "guardrailPolicy": stack.outputs["guardrailPolicy"],
            "secretsKeyArn": SECRETS_KEY,
        }

    def test_secret_parameter_is_named_where_there_is_one(self) -> None:
        stack = deployed(**EVERY_KIND["smtp-plain-own-keys"])

        assert stack.outputs["mailerSecretParameterArn"].endswith(":parameter/iam-key-rotator/mailer/smtp-password")
        assert "decryptPolicyArn" not in stack.outputs

    def test_two_stacks_can_share_an_account(self) -> None:
        one, other = deployed(), deployed(namePrefix="other-rotator")

        shared = {resource.inputs.get("name") for resource in one.resources} & {
            resource.inputs.get("name") for resource in other.resources
        }

        # None: resources without a name of their own; "access": the policy inside a role.
        assert shared == {None, "access"}


class TestPartition:
    """What AWS does not have somewhere must be told before half a stack is there."""

    @pytest.mark.parametrize("partition", ["aws-cn"])
    def test_without_ses_is_refused_with_the_remedy(self, partition: str) -> None:
        with pytest.raises(NoSes, match=f"mailer is 'ses', which the partition {partition} does not have: set mailer"):
            deployed(partition)

    @pytest.mark.parametrize(
        ("partition", "mailer"), [("aws-cn", "smtp"), ("aws-cn", "mailgun"), ("aws-us-gov", "ses")]
    )
    def test_with_a_mailer_is_taken(self, partition: str, mailer: str) -> None:
        assert deployed(partition, **MAILERS[mailer]).outputs["tableName"] == "iam-key-rotator"


class TestSecrets:
    """A secret in the state, in an environment or in a tag is readable by everybody who may look."""

    @pytest.mark.parametrize(
        ("mailer", "name", "value"),
        [
            ("smtp", "/iam-key-rotator/mailer/smtp-password", "not-a-real-password"),
            ("mailgun", "/iam-key-rotator/mailer/mailgun-api-key", "not-a-real-api-key"),
        ],
    )
    def test_go_into_a_secure_string_and_stay_secret(self, mailer: str, name: str, value: str) -> None:
        """The configuration here is in plain text, as when somebody forgot ``--secret``."""
        inputs = deployed(**MAILERS[mailer]).one(PARAMETER, "mailer-secret").inputs

        assert is_secret(inputs["value"])
        assert plain(inputs["value"]) == value
        assert (inputs["name"], inputs["type"], inputs["keyId"]) == (name, "SecureString", SECRETS_KEY)

    @pytest.mark.parametrize("mailer", ["smtp", "mailgun"])
    def test_lie_under_awss_key_where_that_is_chosen(self, mailer: str) -> None:
        stack = deployed(**EVERY_KIND[f"{mailer}-encrypted-aws-keys"])

        assert "keyId" not in stack.one(PARAMETER, "mailer-secret").inputs
        assert [key.name for key in stack.all(KEY)] == ["messages-key"]
        assert "secretsKeyArn" not in stack.outputs

    @pytest.mark.parametrize("mailer", ["smtp", "mailgun"])
    def test_are_sealed_with_the_customers_key(self, mailer: str) -> None:
        stack = deployed(**EVERY_KIND[f"{mailer}-plain-customer-keys"])

        assert stack.one(PARAMETER, "mailer-secret").inputs["keyId"] == KMS_KEYS["secretsKmsKeyArn"]

    def test_ses_has_none(self) -> None:
        assert deployed(**MAILERS["ses"]).all(PARAMETER) == []

    def test_are_nowhere_else(self, any_stack: Deployment) -> None:
        elsewhere = [
            resource.inputs if resource.type != PARAMETER else {**resource.inputs, "value": None}
            for resource in any_stack.resources
        ]

        everything = repr(elsewhere) + repr(any_stack.outputs)
        assert "not-a-real" not in everything


@BOTH
class TestFunctions:
    """A function that is not what its handler expects fails on its first run, at noon, in production."""

    def test_runs_the_handler_of_its_package(self, role: str, stack: Deployment) -> None:
        inputs = stack.one(FUNCTION, f"{role}-function").inputs

        assert inputs["name"] == f"iam-key-rotator-{role}"
        assert inputs["role"] == f"arn:aws:iam::{ACCOUNT}:role/iam-key-rotator-{role}"
        assert inputs["handler"] == f"functions.{role}.handler.handler"
        assert (inputs["runtime"], inputs["architectures"], inputs["memorySize"]) == ("python3.13", ["arm64"], 256)
        assert inputs["timeout"] == {"rotator": 900, "destructor": 300}[role]
        assert inputs["tracingConfig"] == {"mode": "PassThrough"}
        assert "reservedConcurrentExecutions" not in inputs

    def test_takes_its_size_from_the_configuration(self, role: str) -> None:
        stack = deployed(
            architecture="x86_64",
            memorySize="512",
            rotatorTimeout="600",
            destructorTimeout="600",
            reservedConcurrency="0",
            tracing="Active",
        )

        inputs = stack.one(FUNCTION, f"{role}-function").inputs

        assert (inputs["architectures"], inputs["memorySize"], inputs["timeout"]) == (["x86_64"], 512, 600)
        assert inputs["reservedConcurrentExecutions"] == 0
        assert inputs["tracingConfig"] == {"mode": "Active"}
        assert "x86_64" in inputs["code"].assets["."].path

    def test_logs_into_a_group_that_forgets(self, role: str, stack: Deployment) -> None:
        """A group that Lambda makes itself keeps logs for ever."""
        inputs = stack.one(LOG_GROUP, f"{role}-log").inputs

        assert (inputs["name"], inputs["retentionInDays"]) == (f"/aws/lambda/iam-key-rotator-{role}", 365)
        assert "kmsKeyId" not in inputs

    def test_logs_no_more_than_it_is_meant_to(self, role: str, stack: Deployment) -> None:
        """A default of the account would otherwise decide, and DEBUG shows what libraries send and receive."""
        inputs = stack.one(FUNCTION, f"{role}-function").inputs

        assert inputs["loggingConfig"] == {
            "logFormat": "JSON",
            "applicationLogLevel": "INFO",
            "systemLogLevel": "INFO",
            "logGroup": f"/aws/lambda/iam-key-rotator-{role}",
        }

    def test_checks_signatures_where_that_is_configured(self, role: str, stack: Deployment) -> None:
        arn = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:code-signing-config:csc-0123456789abcdef0"
        signed = deployed(codeSigningConfigArn=arn)

        assert signed.one(FUNCTION, f"{role}-function").inputs["codeSigningConfigArn"] == arn
        assert "codeSigningConfigArn" not in stack.one(FUNCTION, f"{role}-function").inputs

    def test_logs_under_the_customers_key(self, role: str) -> None:
        stack = deployed(logsKmsKeyArn=KMS_KEYS["logsKmsKeyArn"], logRetentionDays="30")

        inputs = stack.one(LOG_GROUP, f"{role}-log").inputs

        assert (inputs["kmsKeyId"], inputs["retentionInDays"]) == (KMS_KEYS["logsKmsKeyArn"], 30)

    def test_carries_code_and_dependencies(self, role: str, stack: Deployment) -> None:
        code = stack.one(FUNCTION, f"{role}-function").inputs["code"]

        assert f"functions/{role}/__init__.py" in code.assets
        assert "aarch64" in code.assets["."].path


class TestEnvironment:
    """The functions parse their environment strictly: a name or a value that is off stops every run."""

    def test_rotator(self, stack: Deployment) -> None:
        assert stack.environment("rotator") == {
            **COMMON_VARIABLES,
            "MAIL_CLIENT": "ses",
            "SES_CONFIGURATION_SET": "iam-key-rotator",
            "POWERTOOLS_SERVICE_NAME": "iam-key-rotator-rotator",
            "ALARM_TOPIC_ARN": stack.outputs["alarmTopicArn"],
        }

    def test_destructor(self, stack: Deployment) -> None:
        assert stack.environment("destructor") == {
            **COMMON_VARIABLES,
            "MAIL_CLIENT": "ses",
            "SES_CONFIGURATION_SET": "iam-key-rotator",
            "POWERTOOLS_SERVICE_NAME": "iam-key-rotator-destructor",
            "DEAD_LETTER_QUEUE_URL": stack.outputs["deadLetterQueueUrl"],
            "ALARM_TOPIC_ARN": stack.outputs["alarmTopicArn"],
        }

    @BOTH
    def test_smtp(self, role: str) -> None:
        stack = deployed(**MAILERS["smtp"], smtpPort="587", smtpProtocol="tls", smtpUsername="mailer")

        environment = stack.environment(role)

        assert {name: value for name, value in environment.items() if name.startswith(("MAIL_C", "SMTP", "MAILG"))} == {
            "MAIL_CLIENT": "smtp",
            "SMTP_SERVER": "smtp.example.com",
            "SMTP_PORT": "587",
            "SMTP_PROTOCOL": "tls",
            "SMTP_USERNAME": "mailer",
            "SMTP_PASSWORD_PARAMETER": "/iam-key-rotator/mailer/smtp-password",
        }

    @BOTH
    def test_mailgun(self, role: str) -> None:
        environment = deployed(**MAILERS["mailgun"]).environment(role)

        assert {name: value for name, value in environment.items() if name.startswith(("MAIL_C", "SMTP", "MAILG"))} == {
            "MAIL_CLIENT": "mailgun",
            "MAILGUN_API_URL": "https://api.mailgun.net/v3/mail.example.com/messages",
            "MAILGUN_API_KEY_NAME": "/iam-key-rotator/mailer/mailgun-api-key",
        }

    def test_rotations_are_announced(self) -> None:
        assert deployed(announceDays="14").environment("rotator")["ANNOUNCE_DAYS"] == "14"

    @BOTH
    def test_policy_of_the_stack(self, role: str) -> None:
        stack = deployed(
            rotateAfterDays="0",
            deleteAfterDays="1",
            recoveryDays="7",
            reminderDays="0",
            helpUrl="https://wiki.example.com/keys",
            supportContact="#cloud-help",
            replyTo="help@example.com",
            graceExtensionDays="4",
            deleteUnconfirmed="true",
            addressHoldDays="0",
            auditDays="60",
            userPaths='["/developers/", "/ci/"]',
            retryAfterMinutes="2",
            maxDeletionAttempts="3",
            encryptKeyPair="false",
            allowedEmailDomains='["example.com", "example.org"]',
        )

        environment = stack.environment(role)

        assert environment["ROTATE_AFTER_DAYS"] == "0"
        assert environment["DELETE_AFTER_DAYS"] == "1"
        assert environment["RECOVERY_DAYS"] == "7"
        assert environment["REMINDER_DAYS"] == "0"
        assert environment["HELP_URL"] == "https://wiki.example.com/keys"
        assert environment["SUPPORT_CONTACT"] == "#cloud-help"
        assert environment["REPLY_TO"] == "help@example.com"
        assert "DECRYPTION_SCRIPT_URL" not in environment
        assert environment["GRACE_EXTENSION_DAYS"] == "4"
        assert environment["DELETE_UNCONFIRMED"] == "true"
        assert environment["ADDRESS_HOLD_DAYS"] == "0"
        assert environment["AUDIT_DAYS"] == "60"
        assert environment["USER_PATHS"] == "/developers/,/ci/"
        assert environment["RETRY_AFTER_MINS"] == "2"
        assert environment["MAX_DELETION_ATTEMPTS"] == "3"
        assert environment["ENCRYPT_KEY_PAIR"] == "false"
        assert environment["ALLOWED_EMAIL_DOMAINS"] == "example.com,example.org"

    @BOTH
    def test_customer_key(self, role: str) -> None:
        environment = deployed(**EVERY_KIND["ses-encrypted-customer-keys"]).environment(role)

        assert environment["SECRETS_KMS_KEY_ARN"] == KMS_KEYS["secretsKmsKeyArn"]


class TestLedger:
    """The table is the service's memory: what it forgets stays undeleted, or is deleted twice."""

    def test_table(self, stack: Deployment) -> None:
        inputs = stack.one(TABLE, "ledger-table").inputs

        assert (inputs["hashKey"], inputs["rangeKey"]) == ("user", "ak")
        assert inputs["attributes"] == [{"name": "user", "type": "S"}, {"name": "ak", "type": "S"}]
        assert inputs["ttl"] == {"attributeName": "delete_on", "enabled": True}
        assert (inputs["streamEnabled"], inputs["streamViewType"]) == (True, "OLD_IMAGE")
        assert inputs["billingMode"] == "PAY_PER_REQUEST"
        assert inputs["deletionProtectionEnabled"] is True
        assert inputs["pointInTimeRecovery"] == {"enabled": True}
        assert "serverSideEncryption" not in inputs

    def test_customers_choices(self) -> None:
        stack = deployed(tableKmsKeyArn=KMS_KEYS["tableKmsKeyArn"], pointInTimeRecovery="false")

        inputs = stack.one(TABLE, "ledger-table").inputs

        assert inputs["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": KMS_KEYS["tableKmsKeyArn"]}
        assert inputs["pointInTimeRecovery"] == {"enabled": False}


class TestOwnKeys:
    """What lies under a key of AWS's own is open to whoever may read it."""

    @pytest.mark.parametrize("name", ["secrets", "messages"])
    def test_are_rotated_and_named(self, stack: Deployment, name: str) -> None:
        inputs = stack.one(KEY, f"{name}-key").inputs
        alias = stack.one("aws:kms/alias:Alias", f"{name}-alias").inputs

        assert (inputs["enableKeyRotation"], inputs["deletionWindowInDays"]) == (True, 30)
        assert alias == {"name": f"alias/iam-key-rotator-{name}", "targetKeyId": f"{name}-key"}

    def test_alarms_lie_under_one_that_cloudwatch_may_use(self, stack: Deployment) -> None:
        assert stack.one("aws:sns/topic:Topic", "alarms-topic").inputs["kmsMasterKeyId"] == MESSAGES_KEY

    def test_there_is_none_for_secrets_where_there_are_no_secrets(self) -> None:
        stack = deployed(**EVERY_KIND["ses-plain-own-keys"])

        assert [key.name for key in stack.all(KEY)] == ["messages-key"]


class TestStream:
    """A deletion that the mapping drops leaves an old key alive; one that blocks it leaves them all alive."""

    def test_hands_over_deletions_that_fell_due(self, stack: Deployment) -> None:
        inputs = stack.one(MAPPING, "destructor-stream").inputs

        (one_filter,) = inputs["filterCriteria"]["filters"]
        assert json.loads(one_filter["pattern"]) == {
            "eventName": ["REMOVE"],
            "dynamodb": {"OldImage": {"status": {"S": ["expiring", "inactive", "failed"]}}},
        }
        assert inputs["startingPosition"] == "TRIM_HORIZON"
        assert inputs["functionName"] == "iam-key-rotator-destructor"
        assert inputs["eventSourceArn"].startswith(
            f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/iam-key-rotator/stream/",
        )

    def test_no_record_blocks_the_others_for_ever(self, stack: Deployment) -> None:
        inputs = stack.one(MAPPING, "destructor-stream").inputs

        assert inputs["functionResponseTypes"] == ["ReportBatchItemFailures"]
        assert inputs["bisectBatchOnFunctionError"] is True
        assert (inputs["batchSize"], inputs["maximumRetryAttempts"], inputs["parallelizationFactor"]) == (10, 10, 1)
        assert 0 < inputs["maximumRecordAgeInSeconds"] < 24 * 60 * 60
        assert inputs["destinationConfig"] == {"onFailure": {"destinationArn": DEAD_LETTERS}}


class TestSchedule:
    """A schedule that cannot start the rotator is noticed when the first audit fails."""

    def test_starts_the_rotator(self) -> None:
        stack = deployed(schedule="rate(6 hours)")

        rule = stack.one("aws:cloudwatch/eventRule:EventRule", "rotator-schedule").inputs
        target = stack.one("aws:cloudwatch/eventTarget:EventTarget", "rotator-target").inputs
        permission = stack.one("aws:lambda/permission:Permission", "rotator-permission").inputs

        assert rule["scheduleExpression"] == "rate(6 hours)"
        assert target["rule"] == rule["name"] == "iam-key-rotator-schedule"
        assert target["arn"] == f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:iam-key-rotator-rotator"
        assert permission == {
            "function": "iam-key-rotator-rotator",
            "action": "lambda:InvokeFunction",
            "principal": "events.amazonaws.com",
            "sourceArn": f"arn:aws:events:eu-central-1:{ACCOUNT}:rule/iam-key-rotator-schedule",
        }
        assert stack.outputs["schedule"] == "rate(6 hours)"

    def test_what_it_cannot_deliver_is_parked(self, stack: Deployment) -> None:
        target = stack.one("aws:cloudwatch/eventTarget:EventTarget", "rotator-target").inputs

        assert target["deadLetterConfig"] == {"arn": DEAD_LETTERS}

    def test_failed_run_is_parked_and_not_repeated(self, stack: Deployment) -> None:
        """Lambda would start it twice more within minutes, to make and unmake keys while the mail is down."""
        inputs = stack.one(
            "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
            "rotator-invocations",
        ).inputs

        assert inputs["functionName"] == "iam-key-rotator-rotator"
        assert inputs["maximumRetryAttempts"] == 0
        assert inputs["destinationConfig"] == {"onFailure": {"destination": DEAD_LETTERS}}


class TestReturnedMails:
    """A mail that comes back unnoticed is a user who loses access weeks later."""

    def test_ses_tells_the_default_bus(self, stack: Deployment) -> None:
        """SES publishes to no other bus: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-add-event-destination-eventbridge.html."""
        mails = stack.one("aws:sesv2/configurationSet:ConfigurationSet", "mailer-mails").inputs
        told = stack.one(
            "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination", "mailer-returned"
        ).inputs

        assert told["configurationSetName"] == mails["configurationSetName"] == "iam-key-rotator"
        assert mails["deliveryOptions"] == {"tlsPolicy": "REQUIRE"}
        assert told["eventDestination"] == {
            "enabled": True,
            "matchingEventTypes": ["BOUNCE", "COMPLAINT", "REJECT"],
            "eventBridgeDestination": {"eventBusArn": f"arn:aws:events:eu-central-1:{ACCOUNT}:event-bus/default"},
        }

    def test_start_the_rotator(self, stack: Deployment) -> None:
        rule = stack.one("aws:cloudwatch/eventRule:EventRule", "rotator-returned").inputs
        target = stack.one("aws:cloudwatch/eventTarget:EventTarget", "rotator-returned-target").inputs
        permission = stack.one("aws:lambda/permission:Permission", "rotator-returned-permission").inputs

        assert json.loads(rule["eventPattern"]) == {
            "source": ["aws.ses"],
            "detail-type": ["Email Bounced", "Email Complaint Received", "Email Rejected"],
            "detail": {
                "mail": {"tags": {"ses:configuration-set": ["iam-key-rotator"]}},
                "$or": [{"bounce": {"bounceType": ["Permanent"]}}, {"eventType": ["Complaint", "Reject"]}],
            },
        }
        assert target["rule"] == rule["name"] == "iam-key-rotator-returned-mails"
        assert target["arn"] == f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:iam-key-rotator-rotator"
        assert target["deadLetterConfig"] == {"arn": DEAD_LETTERS}
        assert permission["sourceArn"] == f"arn:aws:events:eu-central-1:{ACCOUNT}:rule/iam-key-rotator-returned-mails"

    @pytest.mark.parametrize("mailer", ["smtp", "mailgun"])
    def test_other_mailers_tell_nobody(self, mailer: str) -> None:
        stack = deployed(**MAILERS[mailer])

        rules = [rule.name for rule in stack.all("aws:cloudwatch/eventRule:EventRule")]

        assert rules == ["rotator-schedule"]
        assert not [resource for resource in stack.resources if resource.type.startswith("aws:sesv2")]
        assert "SES_CONFIGURATION_SET" not in stack.environment("rotator")


class TestDeadLetters:
    """What could not be done must be there when somebody has time to look."""

    def test_queue(self, stack: Deployment) -> None:
        inputs = stack.one("aws:sqs/queue:Queue", "dead-letters-queue").inputs

        assert inputs["messageRetentionSeconds"] == 14 * 24 * 60 * 60
        assert inputs["sqsManagedSseEnabled"] is True
        assert "kmsMasterKeyId" not in inputs

    def test_queue_and_topic_under_the_customers_key(self) -> None:
        stack = deployed(messagesKmsKeyArn=KMS_KEYS["messagesKmsKeyArn"])

        queue = stack.one("aws:sqs/queue:Queue", "dead-letters-queue").inputs
        topic = stack.one("aws:sns/topic:Topic", "alarms-topic").inputs

        assert queue["kmsMasterKeyId"] == topic["kmsMasterKeyId"] == KMS_KEYS["messagesKmsKeyArn"]
        assert "sqsManagedSseEnabled" not in queue
        assert [key.name for key in stack.all(KEY)] == ["secrets-key"]

    def test_only_the_schedule_may_send_besides_the_functions(self, stack: Deployment) -> None:
        (policy,) = stack.all("aws:sqs/queuePolicy:QueuePolicy")

        assert policy.inputs["queueUrl"] == stack.outputs["deadLetterQueueUrl"]


def takes_tags(token: str) -> bool:
    """Ask pulumi_aws, for a type token such as ``aws:ssm/parameter:Parameter``."""
    match = re.fullmatch(r"aws:(\w+)/\w+:(\w+)", token)
    if match is None:
        return False
    service = getattr(aws, "lambda_" if match[1] == "lambda" else match[1])
    return "tags" in signature(getattr(service, f"{match[2]}Args")).parameters


class TestTags:
    """Costs and ownership are looked up by tags; a resource without them is nobody's."""

    def test_every_resource_that_takes_tags_has_them(self) -> None:
        stack = deployed(**MAILERS["smtp"], tags='{"Team": "identity"}', alarmEmail="ops@example.com")

        taggable = [resource for resource in stack.resources if takes_tags(resource.type)]

        assert len(taggable) > 20
        assert [resource.name for resource in taggable if resource.inputs.get("tags") != {"Team": "identity"}] == []


class TestComponents:
    """Pulumi knows resources by type and name: either one changed means a table deleted and made anew."""

    def test_type_tokens(self, stack: Deployment) -> None:
        components = {
            (resource.type, resource.name) for resource in stack.resources if not resource.type.startswith("aws:")
        }

        assert components == {
            ("iam-key-rotator:index:AlarmTopic", "alarms"),
            ("iam-key-rotator:index:CustomerKey", "messages"),
            ("iam-key-rotator:index:CustomerKey", "secrets"),
            ("iam-key-rotator:index:Dashboard", "dashboard"),
            ("iam-key-rotator:index:DeadLetters", "dead-letters"),
            ("iam-key-rotator:index:DecryptionPolicy", "decryption"),
            ("iam-key-rotator:index:Destructor", "destructor"),
            ("iam-key-rotator:index:KeyFunction", "destructor"),
            ("iam-key-rotator:index:KeyFunction", "rotator"),
            ("iam-key-rotator:index:KeyLedger", "ledger"),
            ("iam-key-rotator:index:Mailer", "mailer"),
            ("iam-key-rotator:index:Rotator", "rotator"),
        }

    def test_every_kind_of_stack_can_be_deployed(self, any_stack: Deployment) -> None:
        names = [(resource.type, resource.name) for resource in any_stack.resources]

        assert len(set(names)) == len(names)
        assert {resource.name for resource in any_stack.all(FUNCTION)} == {"rotator-function", "destructor-function"}
