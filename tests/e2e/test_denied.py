"""What nobody may do: the program's own policies, judged by the emulator's IAM.

Each refusal stands beside something like it that is allowed, so that a refusal for the wrong reason does not pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError

from scripts.local_cloud import cloud
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.cloud import LocalCloud

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")

MAILER_SECRET = "not-a-real-password"
ENCRYPTION_KEYS = {"alice": "/ikr/secret/iam/alice", "carol@example.com": "/ikr/secret/iam-id/{user_id}"}


@pytest.fixture(scope="module")
def account() -> Iterator[LocalCloud]:
    """A stack with tagged and untagged users, their encryption keys, and a secret that is another stack's."""
    config = {
        "mailFrom": "rotation@example.com",
        "mailer": "smtp",
        "smtpServer": "smtp.example.org",
        "smtpPassword": MAILER_SECRET,
    }
    with cloud.deployed(config) as deployed:
        for name in ENCRYPTION_KEYS:
            deployed.add_user(name, {"ikr:Email": "someone@example.com"})
            deployed.root.ssm.put_parameter(Name=_encryption_key(deployed, name), Type="SecureString", Value="a key")
        deployed.add_user("untagged", {"team": "identity"})
        deployed.root.ssm.put_parameter(Name="/another-stack/mailer/smtp-password", Type="SecureString", Value="theirs")
        yield deployed


@pytest.fixture
def rotator(account: LocalCloud) -> Clients:
    return account.as_function(account.outputs["rotatorFunctionName"])


@pytest.fixture
def destructor(account: LocalCloud) -> Clients:
    return account.as_function(account.outputs["destructorFunctionName"])


@pytest.fixture(params=["rotator", "destructor"])
def either(request: pytest.FixtureRequest) -> Clients:
    """Each of the two functions' roles in turn."""
    role: Clients = request.getfixturevalue(request.param)
    return role


class TestAccessKeys:
    """Whoever may create a key for any user may become any user."""

    def test_the_rotator_makes_keys_for_tagged_users_alone(self, account: LocalCloud, rotator: Clients) -> None:
        made = rotator.iam.create_access_key(UserName="alice")["AccessKey"]

        assert made["AccessKeyId"] in account.keys("alice")
        assert _is_denied(lambda: rotator.iam.create_access_key(UserName="untagged"))
        assert account.keys("untagged") == {}

    def test_the_rotator_cannot_make_a_user_its_own_business(self, rotator: Clients) -> None:
        """The tag is the limit of its rights, so it must not be able to set it."""

        def tag() -> None:
            rotator.iam.tag_user(UserName="untagged", Tags=[{"Key": "IKR:EMAIL", "Value": "someone@example.com"}])

        assert _is_denied(tag)

    @pytest.mark.parametrize("user", ["alice", "untagged"])
    def test_the_destructor_makes_no_keys(self, destructor: Clients, user: str) -> None:
        assert _is_denied(lambda: destructor.iam.create_access_key(UserName=user))

    def test_keys_of_untagged_users_are_safe_from_both(self, account: LocalCloud, either: Clients) -> None:
        tagged, untagged = (account.add_key(user).access_key_id for user in ("carol@example.com", "untagged"))

        either.iam.delete_access_key(UserName="carol@example.com", AccessKeyId=tagged)

        assert tagged not in account.keys("carol@example.com")
        assert _is_denied(lambda: either.iam.delete_access_key(UserName="untagged", AccessKeyId=untagged))
        account.root.iam.delete_access_key(UserName="untagged", AccessKeyId=untagged)


class TestEncryptionKeys:
    """Whoever reads an encryption key and the mail has the user's secret."""

    @pytest.mark.parametrize("user", ENCRYPTION_KEYS)
    def test_no_function_reads_one(self, account: LocalCloud, either: Clients, user: str) -> None:
        name = _encryption_key(account, user)

        assert _is_denied(lambda: either.ssm.get_parameter(Name=name, WithDecryption=True))
        assert _is_denied(lambda: either.ssm.get_parameters(Names=[name], WithDecryption=True))
        assert _is_denied(lambda: either.ssm.get_parameter_history(Name=name, WithDecryption=True))
        assert _is_denied(lambda: either.ssm.get_parameters_by_path(Path="/ikr/secret", Recursive=True))

    @pytest.mark.parametrize(("user", "other"), [tuple(ENCRYPTION_KEYS), tuple(reversed(ENCRYPTION_KEYS))])
    def test_a_user_reads_their_own_alone(self, account: LocalCloud, user: str, other: str) -> None:
        own, others = (_encryption_key(account, name) for name in (user, other))
        key = account.add_key(user)
        reader = account.clients(key)

        value = reader.ssm.get_parameter(Name=own, WithDecryption=True)["Parameter"]["Value"]

        assert value == "a key"
        assert _is_denied(lambda: reader.ssm.get_parameter(Name=others, WithDecryption=True))
        account.root.iam.delete_access_key(UserName=user, AccessKeyId=key.access_key_id)


class TestMailerSecret:
    """The mailer's password is the stack's; other secrets in the account are not."""

    def test_each_function_reads_its_own_alone(self, account: LocalCloud, either: Clients) -> None:
        own = account.outputs["mailerSecretParameterArn"].partition(":parameter")[2]

        value = either.ssm.get_parameter(Name=own, WithDecryption=True)["Parameter"]["Value"]

        assert value == MAILER_SECRET
        assert _is_denied(
            lambda: either.ssm.get_parameter(Name="/another-stack/mailer/smtp-password", WithDecryption=True)
        )

    def test_users_read_none(self, account: LocalCloud) -> None:
        key = account.add_key("carol@example.com")
        own = account.outputs["mailerSecretParameterArn"].partition(":parameter")[2]

        denied = _is_denied(lambda: account.clients(key).ssm.get_parameter(Name=own, WithDecryption=True))

        assert denied
        account.root.iam.delete_access_key(UserName="carol@example.com", AccessKeyId=key.access_key_id)


def _encryption_key(account: LocalCloud, user: str) -> str:
    user_id = account.root.iam.get_user(UserName=user)["User"]["UserId"]
    return ENCRYPTION_KEYS[user].format(user_id=user_id)


def _is_denied(call: Callable[[], object]) -> bool:
    """Whether IAM refuses a call; any other outcome is not what was asked about."""
    try:
        call()
    except ClientError as refusal:
        if refusal.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
            return True
        raise
    return False
