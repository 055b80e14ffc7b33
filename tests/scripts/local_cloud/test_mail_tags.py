"""What the emulator is made to keep of mails, and of users: what their ends, and the rights to them, hang on."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from scripts.local_cloud import mailbox, returned_mail, server
from scripts.local_cloud.clients import ROOT, Clients, Credentials

SENDER = "keys@example.com"


@pytest.fixture(scope="module")
def emulator() -> Iterator[server.Server]:
    with server.running() as emulator:
        root = Clients(emulator.endpoint, ROOT)
        root.sesv2.create_email_identity(EmailIdentity=SENDER)
        root.sesv2.create_configuration_set(ConfigurationSetName="mails")
        yield emulator


@pytest.fixture
def root(emulator: server.Server) -> Clients:
    return Clients(emulator.endpoint, ROOT)


def test_mail_keeps_its_tags(emulator: server.Server, root: Clients) -> None:
    """A mail that comes back is known by them alone."""
    root.sesv2.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["alice@example.com"]},
        Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
        ConfigurationSetName="mails",
        EmailTags=[{"Name": "ikr-key", "Value": "AKIAFAKE00000000NEW1"}],
    )

    mail = mailbox.sent_through_ses(emulator.endpoint)[-1]

    assert mail.tags == {"ikr-key": "AKIAFAKE00000000NEW1", "ses:configuration-set": "mails"}
    told = returned_mail.event(mail, "Bounce")["detail"]["mail"]["tags"]
    assert told == {"ikr-key": ["AKIAFAKE00000000NEW1"], "ses:configuration-set": ["mails"]}


@pytest.mark.parametrize(("path", "allowed"), [("/staff/", True), ("/admins/", False)])
def test_policy_about_users_in_a_path(emulator: server.Server, root: Clients, path: str, allowed: bool) -> None:
    """As on AWS: a user's ARN has the path in it."""
    name, target = f"caller-{allowed}", f"target-{allowed}"
    statement = {"Effect": "Allow", "Action": "iam:CreateAccessKey", "Resource": "arn:aws:iam::*:user/staff/*"}
    root.iam.create_user(UserName=name)
    root.iam.put_user_policy(
        UserName=name,
        PolicyName="staff",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    root.iam.create_user(UserName=target, Path=path)
    key = root.iam.create_access_key(UserName=name)["AccessKey"]
    caller = Clients(
        emulator.endpoint,
        Credentials(access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"]),
    )

    try:
        made = bool(caller.iam.create_access_key(UserName=target))
    except ClientError:
        made = False

    assert made is allowed
