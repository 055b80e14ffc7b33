"""An AWS environment that belongs to the test alone, whatever the machine's own looks like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from tests.simulation import shortcuts

VARIABLES_OF_A_USER = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL", "ENC_KEY", "CIPHER_TEXT")


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Point every AWS tool to fake credentials; return the path of the credentials file, which does not exist yet."""
    for variable in VARIABLES_OF_A_USER:
        monkeypatch.delenv(variable, raising=False)
    credentials_file = tmp_path / "aws" / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials_file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws" / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE00000000OLD1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return credentials_file


@pytest.fixture
def aws(aws_environment: Path) -> Iterator[None]:
    """AWS, as moto plays it."""
    del aws_environment
    with shortcuts.taken(), mock_aws():
        yield
