"""What people do with the mail that brings their new key: run the command in it, or copy the secret."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from scripts.local_cloud.clients import Credentials
from scripts.local_cloud.errors import UnreadableMail
from scripts.local_cloud.mailbox import Mail
from scripts.local_cloud.server import Server

_REPOSITORY = Path(__file__).parents[2]
_SCRIPT = _REPOSITORY / "scripts" / "decryption.py"
_COMMAND_START = "uv run decryption.py "
_FATE = ["--profile", "default"]
_BLOCK_START = "gAAAAA"


def decrypt_command(mail: Mail) -> str:
    """Find the one line that decrypts the key pair.

    Raises:
        UnreadableMail: there is none.
    """
    return _line(mail, _COMMAND_START)


def block(mail: Mail) -> str:
    """Find the encrypted key pair, which the command asks for.

    Raises:
        UnreadableMail: there is none.
    """
    return _line(mail, _BLOCK_START)


def _line(mail: Mail, start: str) -> str:
    for line in mail.text.splitlines():
        if line.strip().startswith(start):
            return line.strip()
    raise UnreadableMail(f"the mail to {mail.to} holds no line that begins with: {start}")


def parameter(mail: Mail) -> str:
    """Find the name of the SSM parameter that holds the encryption key.

    Raises:
        UnreadableMail: the mail names none.
    """
    words = shlex.split(decrypt_command(mail))
    if "--parameter" not in words:
        raise UnreadableMail(f"the command in the mail to {mail.to} names no parameter")
    return words[words.index("--parameter") + 1]


def open_sealed(mail: Mail, old_key: Credentials, server: Server) -> Credentials:
    """Run the mail's command, signed in with the old key; hand it the block, and have it show the new pair.

    A reader would let it write the pair into a profile. It would check the pair first, and so use it.

    Raises:
        UnreadableMail: there is no command, or it fails; the message holds what it said.
    """
    options = shlex.split(decrypt_command(mail).removeprefix(_COMMAND_START))
    if options[: len(_FATE)] != _FATE:
        raise UnreadableMail(f"the command in the mail to {mail.to} does not begin with {shlex.join(_FATE)}")
    outcome = subprocess.run(
        [sys.executable, str(_SCRIPT), *options[len(_FATE) :], "--format", "json"],
        cwd=_REPOSITORY,
        env={
            "AWS_ACCESS_KEY_ID": old_key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": old_key.secret_access_key,
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        },
        input=block(mail),
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode != 0:
        raise UnreadableMail(f"the command in the mail to {mail.to} failed: {outcome.stderr.strip()}")
    pair = json.loads(outcome.stdout)
    return Credentials(access_key_id=pair["access_key_id"], secret_access_key=pair["secret_access_key"])


def copy_plain(mail: Mail) -> Credentials:
    """Take the pair from a mail that was not encrypted.

    Raises:
        UnreadableMail: it holds no pair.
    """
    key_id = re.search(r"New access key id:\s+(\S+)", mail.text)
    secret = re.search(r"Secret access key:\s+(\S+)", mail.text)
    if not (key_id and secret):
        raise UnreadableMail(f"the mail to {mail.to} holds no key pair")
    return Credentials(access_key_id=key_id.group(1), secret_access_key=secret.group(1))
