"""The local cloud as its users see it: an account with the service deployed, and people in it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr
from typing import Any

from components import bundle
from scripts.local_cloud import clock, deployment, mailbox, resources, returned_mail, server, specialise
from scripts.local_cloud.adapter import Adapter, Made
from scripts.local_cloud.clients import ROOT, Clients, Credentials
from scripts.local_cloud.errors import FunctionFailed
from scripts.local_cloud.ledger import LocalLedger


@contextlib.contextmanager
def deployed(
    config: Mapping[str, str], environment: Mapping[str, str] | None = None, *, begins: timedelta | None = None
) -> Iterator[LocalCloud]:
    """Start an emulator, deploy the program into it, and stop it in the end.

    Args:
        config: the stack's configuration, without namespace.
        environment: variables for the functions that a deployment cannot set, such as a certificate authority to trust.
        begins: how long ago the story begins that is played here; None: it begins now, and the functions go by this
            machine's clock.
    """
    dependencies = bundle.dependencies(bundle.Target.host())
    with server.running(environment) as emulator:
        root = Clients(emulator.endpoint, ROOT)
        root.sesv2.create_email_identity(EmailIdentity=parseaddr(config["mailFrom"])[1])
        adapter = Adapter(root, resources.creators(dependencies))
        outputs = deployment.deploy(adapter, config)
        if begins is not None:
            emulator.clock.set(begins)
            clock.give_to(root, outputs["rotatorFunctionName"], outputs["destructorFunctionName"])
        yield LocalCloud(server=emulator, root=root, outputs=outputs, made=adapter.made, begins=begins)


@dataclass(frozen=True, kw_only=True)
class LocalCloud:
    """An account with the service in it.

    Attributes:
        server: the emulator.
        root: clients that may do everything.
        outputs: the stack's outputs.
        made: the stack's resources, in the order of their creation.
        begins: how long ago the story began that is played here; None: it is no story of the past.
    """

    server: server.Server
    root: Clients
    outputs: Mapping[str, Any]
    made: Sequence[Made] = ()
    begins: timedelta | None = None

    @property
    def ledger(self) -> LocalLedger:
        """The service's table."""
        moved = None if self.begins is None else self.server.clock
        return LocalLedger(self.root.dynamodb, self.outputs["tableName"], self.server.endpoint, moved)

    def clients(self, credentials: Credentials) -> Clients:
        """Make clients that act as the holder of these credentials."""
        return Clients(self.server.endpoint, credentials)

    def environment(self, credentials: Credentials) -> dict[str, str]:
        """Give what the environment of a command holds that acts here, as the holder of these credentials."""
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "AWS_DEFAULT_REGION": server.REGION,
            "AWS_ENDPOINT_URL": self.server.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def as_function(self, name: str, *, session_name: str | None = None) -> Clients:
        """Make clients that act with the role of a deployed function: as its code, or in another session."""
        role = self.root.functions.get_function_configuration(FunctionName=name)["Role"]
        session = self.root.sts.assume_role(RoleArn=role, RoleSessionName=session_name or name)["Credentials"]
        return self.clients(
            Credentials(
                access_key_id=session["AccessKeyId"],
                secret_access_key=session["SecretAccessKey"],
                session_token=session["SessionToken"],
            )
        )

    def add_user(self, name: str, tags: Mapping[str, str], *, path: str = "/") -> None:
        """Create an IAM user and, where the stack encrypts, let them read their own encryption key."""
        user = self.root.iam.create_user(
            UserName=name,
            Path=path,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )["User"]
        if arn := self.outputs.get("decryptPolicyArn"):
            document = specialise.for_user(self._document(arn), user_name=name, user_id=user["UserId"])
            self.root.iam.put_user_policy(UserName=name, PolicyName="decrypt", PolicyDocument=document)

    def add_key(self, user: str, *, days_old: float = 0) -> Credentials:
        """Create an access key for a user, as an administrator would; or have one created some days ago."""
        with self.server.clock.set_back(timedelta(days=days_old)):
            key = self.root.iam.create_access_key(UserName=user)["AccessKey"]
        return Credentials(access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])

    def deactivate_key(self, user: str, key_id: str) -> None:
        """Make a key Inactive, as an administrator would."""
        self.root.iam.update_access_key(UserName=user, AccessKeyId=key_id, Status="Inactive")

    def activate_key(self, user: str, key_id: str) -> None:
        """Make a key Active again, as an administrator would."""
        self.root.iam.update_access_key(UserName=user, AccessKeyId=key_id, Status="Active")

    def keys(self, user: str) -> dict[str, str]:
        """List a user's keys: status by access key id."""
        listed = self.root.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in listed}

    def rotate(self, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Invoke the rotator and return its summary.

        Raises:
            FunctionFailed: it ended in an error.
        """
        name = self.outputs["rotatorFunctionName"]
        answer = self.root.functions.invoke(FunctionName=name, Payload=json.dumps(event or {}).encode())
        payload = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise FunctionFailed(f"{name}: {payload.get('errorMessage', payload)}")
        summary: dict[str, Any] = payload
        return summary

    def return_mail(self, mail: mailbox.Mail, *, kind: str = "Bounce") -> dict[str, Any]:
        """Let a mail come back: hand SES's event over to the rotator, as EventBridge would, if its rule takes it.

        The emulator publishes no such events, and like AWS it lets nobody post one in SES's name.

        Raises:
            FunctionFailed: the deployed rule does not match the event, or the rotator ended in an error.
        """
        event = returned_mail.event(mail, kind)
        (rule,) = [rule for rule in self.root.events.list_rules()["Rules"] if "EventPattern" in rule]
        if not self.root.events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(event))[
            "Result"
        ]:
            raise FunctionFailed(f"the rule {rule['Name']} does not match: {event}")
        return self.rotate(event)

    def mails(self) -> list[mailbox.Mail]:
        """Read the mails sent through SES so far, oldest first."""
        return mailbox.sent_through_ses(self.server.endpoint)

    def _document(self, policy_arn: str) -> str:
        version = self.root.iam.get_policy(PolicyArn=policy_arn)["Policy"]["DefaultVersionId"]
        document = self.root.iam.get_policy_version(PolicyArn=policy_arn, VersionId=version)["PolicyVersion"][
            "Document"
        ]
        return document if isinstance(document, str) else json.dumps(document)
