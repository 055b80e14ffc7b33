"""The three mailers, each with a way to see the mails that were sent, and what lets a process be interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.mailbox import Mail
from tests.e2e import mail_servers


@dataclass(frozen=True, kw_only=True)
class Post:
    """A mail service.

    Attributes:
        config: what the stack's configuration says of it.
        mails: reads what was sent so far, given the cloud.
        environment: what the functions need beyond their own environment to trust it.
    """

    config: Mapping[str, str]
    mails: Callable[[LocalCloud], list[Mail]]
    environment: Mapping[str, str] = field(default_factory=dict)


@pytest.fixture
def ses() -> Post:
    return Post(config={"mailer": "ses"}, mails=LocalCloud.mails)


@pytest.fixture
def smtp(tmp_path: Path) -> Iterator[Post]:
    authority = trustme.CA()
    certificate = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    with mail_servers.smtp_server(authority) as server:
        yield Post(
            config={
                "mailer": "smtp",
                "smtpServer": server.hostname,
                "smtpPort": str(server.port),
                "smtpUsername": mail_servers.SMTP_USERNAME,
                "smtpPassword": mail_servers.SMTP_PASSWORD,
            },
            mails=lambda _: list(server.mails),
            environment={"SSL_CERT_FILE": str(certificate)},
        )


@pytest.fixture
def mailgun() -> Iterator[Post]:
    with mail_servers.mailgun_server() as server:
        yield Post(
            config={"mailer": "mailgun", "mailgunApiUrl": server.url, "mailgunApiKey": mail_servers.MAILGUN_KEY},
            mails=lambda _: list(server.mails),
        )


@pytest.fixture(params=["ses", "smtp", "mailgun"])
def post(request: pytest.FixtureRequest) -> Post:
    """Each of the mail services in turn."""
    chosen: Post = request.getfixturevalue(request.param)
    return chosen
