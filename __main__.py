"""The program: configuration in, components, stack outputs out. What is deployed stands in ``components/``."""

from __future__ import annotations

import pulumi

from components import bundle, guardrail, key_policies, previous, secrets_key, settings, source
from components.account import current_account, refuse_without_ses
from components.alarms import AlarmTopic, AlarmTopicArgs
from components.customer_key import CustomerKey, CustomerKeyArgs
from components.dashboard import Dashboard, DashboardArgs
from components.dead_letters import DeadLetters, DeadLettersArgs
from components.decryption_policy import DecryptionPolicy, DecryptionPolicyArgs, is_wanted
from components.destructor import Destructor, DestructorArgs
from components.key_function import Service
from components.ledger import KeyLedger, KeyLedgerArgs
from components.mailer import Mailer, MailerArgs
from components.rotator import Rotator, RotatorArgs

config = settings.load()
deployed = previous.load()
deployed.refuse_to_rename(config.name_prefix)
if config.mail.via is None:
    refuse_without_ses()
# Built before anything is described: where it cannot be built, nothing is deployed.
code = bundle.lambda_code(bundle.Target.lambda_runtime(config.runtime.architecture), config.mail.templates)
account = current_account()

ledger = KeyLedger(
    "ledger",
    KeyLedgerArgs(
        table_name=config.name_prefix,
        kms_key_arn=config.table_kms_key_arn,
        point_in_time_recovery=config.point_in_time_recovery,
        tags=config.tags,
    ),
)
ledger.goes_first()
secrets = secrets_key.for_stack(config, account, deployed)
messages_key_arn = (
    pulumi.Output.from_input(config.messages_kms_key_arn)
    if config.messages_kms_key_arn
    else CustomerKey(
        "messages",
        CustomerKeyArgs(
            alias=f"{config.name_prefix}-messages",
            description=f"Alarms of {config.name_prefix}, on their way to whoever subscribes to them",
            policy=account.apply(key_policies.messages_key),
            tags=config.tags,
        ),
    ).key_arn
)
alarm_topic = AlarmTopic(
    "alarms",
    AlarmTopicArgs(
        topic_name=f"{config.name_prefix}-alarms",
        account=account,
        kms_key_arn=messages_key_arn,
        email=config.alarm_email,
        tags=config.tags,
    ),
)
dead_letters = DeadLetters(
    "dead-letters",
    DeadLettersArgs(
        queue_name=f"{config.name_prefix}-dead-letters",
        alarm_topic_arn=alarm_topic.topic_arn,
        kms_key_arn=config.messages_kms_key_arn,
        tags=config.tags,
    ),
)
mailer = Mailer(
    "mailer",
    MailerArgs(
        name_prefix=config.name_prefix,
        account=account,
        mail=config.mail,
        script_url=source.script_url(config),
        secrets_key_arn=secrets.current,
        tags=config.tags,
    ),
)
service = Service(
    settings=config,
    account=account,
    code=code,
    ledger=ledger,
    mailer=mailer,
    dead_letters=dead_letters,
    alarm_topic_arn=alarm_topic.topic_arn,
    messages_key_arn=messages_key_arn,
    secrets_key_arn=secrets.current,
)
rotator = Rotator("rotator", RotatorArgs(service=service))
destructor = Destructor("destructor", DestructorArgs(service=service))
dashboard = Dashboard(
    "dashboard",
    DashboardArgs(
        dashboard_name=config.name_prefix,
        region=account.apply(lambda account: account.region),
        rotator_name=rotator.function_name,
        destructor_name=destructor.function_name,
        audit_days=config.policy.audit_days,
        alarm_arns=[*dead_letters.alarm_arns, *rotator.alarm_arns, *destructor.alarm_arns],
    ),
)

pulumi.export("tableName", ledger.table_name)
pulumi.export("rotatorFunctionName", rotator.function_name)
pulumi.export("destructorFunctionName", destructor.function_name)
pulumi.export("schedule", rotator.schedule)
pulumi.export("deadLetterQueueUrl", dead_letters.queue_url)
pulumi.export("alarmTopicArn", alarm_topic.topic_arn)
pulumi.export("dashboardName", dashboard.dashboard_name)
guardrail_policy = pulumi.Output.all(account, secrets.own).apply(
    lambda known: guardrail.guardrail(
        known[0], config.name_prefix, key_arn=known[1], administrators=config.administrator_arns
    ),
)
pulumi.export("guardrailPolicy", guardrail_policy)
if secrets.own is not None:
    pulumi.export("secretsKeyArn", secrets.own)
if mailer.secret_parameter_arn is not None:
    pulumi.export("mailerSecretParameterArn", mailer.secret_parameter_arn)
if is_wanted(config.encryption, deployed):
    decryption_policy = DecryptionPolicy(
        "decryption",
        DecryptionPolicyArgs(
            policy_name=f"{config.name_prefix}-decryption",
            account=account,
            secrets_key_arns=secrets.readable,
            tags=config.tags,
        ),
    )
    pulumi.export("decryptPolicyArn", decryption_policy.policy_arn)
