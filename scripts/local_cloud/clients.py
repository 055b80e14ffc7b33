"""AWS clients that speak to the emulator, as its root or as any holder of an access key."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

from scripts.local_cloud.server import REGION

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

# Each request is sent once, and a function is given its full time limit to answer.
_ONCE = Config(connect_timeout=5, read_timeout=300, retries={"mode": "standard", "total_max_attempts": 1})


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """An access key pair, with the session token where it is a role's."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


ROOT: Final = Credentials(access_key_id="test", secret_access_key="test")  # noqa: S106 - MiniStack's fixed root key


@cache
def _loader() -> Loader:
    """Read what botocore knows of AWS's services once for all principals; little else goes into making a client."""
    loader: Loader = botocore.session.get_session().get_component("data_loader")
    return loader


class Clients:
    """The clients of one principal, each built on first use. Not to be shared between threads before that."""

    def __init__(self, endpoint: str, credentials: Credentials) -> None:
        self._endpoint = endpoint
        session = botocore.session.get_session()
        session.register_component("data_loader", _loader())
        self._session = boto3.Session(
            botocore_session=session,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            region_name=REGION,
        )

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        """Alarms."""
        return self._session.client("cloudwatch", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """The ledger table."""
        return self._session.client("dynamodb", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def events(self) -> EventBridgeClient:
        """The schedule."""
        return self._session.client("events", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def iam(self) -> IAMClient:
        """Users, keys, roles, policies."""
        return self._session.client("iam", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def kms(self) -> KMSClient:
        """The stack's own keys."""
        return self._session.client("kms", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def functions(self) -> LambdaClient:
        """Lambda."""
        return self._session.client("lambda", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """Log groups."""
        return self._session.client("logs", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def sesv2(self) -> SESV2Client:
        """Mail."""
        return self._session.client("sesv2", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def sns(self) -> SNSClient:
        """The alarms' topic."""
        return self._session.client("sns", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def sqs(self) -> SQSClient:
        """Dead-letter queues."""
        return self._session.client("sqs", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def ssm(self) -> SSMClient:
        """Encryption keys and the mailer's secret."""
        return self._session.client("ssm", endpoint_url=self._endpoint, config=_ONCE)

    @cached_property
    def sts(self) -> STSClient:
        """Who a key belongs to; a role's session."""
        return self._session.client("sts", endpoint_url=self._endpoint, config=_ONCE)
