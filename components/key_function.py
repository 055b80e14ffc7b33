"""One Lambda function with everything that is its own: role, policy, log group and alarms.

It holds what the rotator and the destructor have in common. What makes them run, a schedule or a stream, is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.account import Account
from components.alarms import AlarmArgs, alarm
from components.bundle import LAMBDA_PYTHON
from components.dead_letters import DeadLetters
from components.ledger import KeyLedger
from components.mailer import Mailer
from components.settings import Settings

METRICS_NAMESPACE = "iam-key-rotator"


@dataclass(frozen=True, kw_only=True)
class Service:
    """What both functions share: the configuration, the archive, and the components that they stand on.

    ``secrets_key_arn`` None: secrets lie under SSM's own key.
    """

    settings: Settings
    account: pulumi.Output[Account]
    code: pulumi.Archive
    ledger: KeyLedger
    mailer: Mailer
    dead_letters: DeadLetters
    alarm_topic_arn: pulumi.Output[str]
    messages_key_arn: pulumi.Output[str]
    secrets_key_arn: pulumi.Output[str] | None


@dataclass(frozen=True, kw_only=True)
class KeyFunctionArgs:
    """What tells one function from the other.

    ``role_name`` is both its handler's package and the end of its name; ``statements`` are its code's rights, and
    ``service_statements`` those of AWS's services on its behalf, on top of the shared ones; ``failures`` are its own
    metrics that ring an alarm, each with what that means; the timeout is in seconds.
    """

    service: Service
    role_name: str
    description: str
    timeout_seconds: int
    statements: pulumi.Output[list[policies.Statement]]
    service_statements: pulumi.Output[list[policies.Statement]]
    failures: Mapping[str, str]
    environment: Mapping[str, pulumi.Input[str]]


class KeyFunction(pulumi.ComponentResource):
    """A function that works on access keys, with a role that nothing else uses."""

    function_name: pulumi.Output[str]
    function_arn: pulumi.Output[str]
    alarm_arns: list[pulumi.Output[str]]

    def __init__(self, name: str, args: KeyFunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:KeyFunction", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings, runtime = args.service.settings, args.service.settings.runtime
        full_name = f"{settings.name_prefix}-{args.role_name}"

        log_group = aws.cloudwatch.LogGroup(
            f"{name}-log",
            name=f"/aws/lambda/{full_name}",
            retention_in_days=runtime.log_retention_days,
            kms_key_id=runtime.logs_kms_key_arn,
            tags=settings.tags,
            opts=child,
        )
        role = aws.iam.Role(
            f"{name}-role",
            name=full_name,
            description=args.description,
            assume_role_policy=policies.lambda_trust(),
            tags=settings.tags,
            opts=child,
        )
        access = aws.iam.RolePolicy(
            f"{name}-access",
            name="access",
            role=role.name,
            policy=_access(args, log_group.arn),
            opts=child,
        )
        function = aws.lambda_.Function(
            f"{name}-function",
            name=full_name,
            description=args.description,
            role=role.arn,
            runtime=f"python{LAMBDA_PYTHON}",
            architectures=[runtime.architecture],
            handler=f"functions.{args.role_name}.handler.handler",
            code=args.service.code,
            memory_size=runtime.memory_mb,
            timeout=args.timeout_seconds,
            reserved_concurrent_executions=runtime.reserved_concurrency,
            # Explicit, so that no default of the account, nor a later one of Lambda's, decides what is logged.
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(
                log_format="JSON",
                application_log_level="INFO",
                system_log_level="INFO",
                log_group=log_group.name,
            ),
            code_signing_config_arn=runtime.code_signing_config_arn,
            tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode=runtime.tracing),
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=_environment(args, full_name)),
            tags=settings.tags,
            # A function that runs before these exist would make a log group of its own, or fail for want of rights.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[log_group, access]),
        )
        self.function_name = function.name
        self.function_arn = function.arn
        self.alarm_arns = self._watch(name, args, function.name)
        self.register_outputs({"function_name": self.function_name, "function_arn": self.function_arn})

    def _watch(self, name: str, args: KeyFunctionArgs, function_name: pulumi.Output[str]) -> list[pulumi.Output[str]]:
        """Ring when the function ends in an error, and when it counts one of its own failures."""
        settings = args.service.settings
        full_name = f"{settings.name_prefix}-{args.role_name}"
        child = pulumi.ResourceOptions(parent=self)
        errors = alarm(
            f"{name}-errors",
            AlarmArgs(
                alarm_name=f"{full_name}-errors",
                description=f"The {args.role_name} ended in an error; its log says why.",
                namespace="AWS/Lambda",
                metric="Errors",
                dimensions={"FunctionName": function_name},
                topic_arn=args.service.alarm_topic_arn,
                tags=settings.tags,
            ),
            child,
        )
        failures = [
            alarm(
                f"{name}-{metric}",
                AlarmArgs(
                    alarm_name=f"{full_name}-{metric}",
                    description=meaning,
                    namespace=METRICS_NAMESPACE,
                    metric=metric,
                    dimensions={"service": full_name},
                    tells_of_the_end=False,
                    topic_arn=args.service.alarm_topic_arn,
                    tags=settings.tags,
                ),
                child,
            )
            for metric, meaning in args.failures.items()
        ]
        return [alarm.arn for alarm in (errors, *failures)]


def _access(args: KeyFunctionArgs, log_group_arn: pulumi.Output[str]) -> pulumi.Output[str]:
    """Join what the function's code may do, which nobody else may do with its role, and what AWS does on its behalf."""
    service, settings = args.service, args.service.settings
    own_code = pulumi.Output.all(service.account, args.statements, service.mailer.statements).apply(
        lambda known: policies.called_by(
            known[0].arn("lambda", f"function:{settings.name_prefix}-{args.role_name}"), [*known[1], *known[2]]
        ),
    )
    lambda_itself = pulumi.Output.all(
        log_group_arn=log_group_arn,
        dead_letters_arn=service.dead_letters.queue_arn,
        traced=settings.runtime.tracing == "Active",
    ).apply(lambda known: policies.lambda_itself(**known))
    keys = pulumi.Output.all(service.account, service.messages_key_arn).apply(
        lambda known: policies.keys_of_services(
            known[0],
            messages_kms_key_arn=known[1],
            queue_has_key=settings.messages_kms_key_arn is not None,
            table_kms_key_arn=settings.table_kms_key_arn,
        ),
    )
    return pulumi.Output.all(
        own_code, lambda_itself, keys, args.service_statements, service.mailer.key_statements
    ).apply(lambda groups: policies.document(statement for group in groups for statement in group))


def _environment(args: KeyFunctionArgs, full_name: str) -> Mapping[str, pulumi.Input[str]]:
    """Tell the function its configuration; a secret never stands here, only the name of the parameter that holds it."""
    service, settings = args.service, args.service.settings
    policy, encryption = settings.policy, settings.encryption
    return {
        "IAM_KEY_ROTATOR_TABLE": service.ledger.table_name,
        "ACCOUNT_ID": service.account.apply(lambda account: account.id),
        "ROTATE_AFTER_DAYS": str(policy.rotate_after_days),
        "DELETE_AFTER_DAYS": str(policy.delete_after_days),
        "RECOVERY_DAYS": str(policy.recovery_days),
        "REMINDER_DAYS": str(policy.reminder_days),
        "ANNOUNCE_DAYS": str(policy.announce_days),
        "GRACE_EXTENSION_DAYS": str(policy.grace_extension_days),
        "DELETE_UNCONFIRMED": "true" if policy.delete_unconfirmed else "false",
        "ADDRESS_HOLD_DAYS": str(policy.address_hold_days),
        "AUDIT_DAYS": str(policy.audit_days),
        "USER_PATHS": ",".join(policy.user_paths),
        "RETRY_AFTER_MINS": str(policy.retry_after_minutes),
        "MAX_DELETION_ATTEMPTS": str(policy.max_deletion_attempts),
        "ENCRYPT_KEY_PAIR": "true" if encryption.encrypt_key_pair else "false",
        **({"SECRETS_KMS_KEY_ARN": service.secrets_key_arn} if service.secrets_key_arn else {}),
        "ALARM_TOPIC_ARN": service.alarm_topic_arn,
        "POWERTOOLS_SERVICE_NAME": full_name,
        "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
        "POWERTOOLS_LOG_LEVEL": "INFO",
        **service.mailer.environment,
        **args.environment,
    }
