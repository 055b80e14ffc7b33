"""Open the encrypted block of a key-rotation mail.

Whoever receives such a mail may have this one file and nothing else of the project, so it stands alone: it needs
Python, `cryptography` and, unless the encryption key is given in ENC_KEY, `boto3`.
"""

from __future__ import annotations

import argparse
import base64
import configparser
import contextlib
import dataclasses
import getpass
import json
import os
import re
import shlex
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from types import ModuleType

    from botocore.config import Config
    from botocore.exceptions import ClientError
    from mypy_boto3_sts import STSClient

if sys.version_info < (3, 9):  # noqa: UP036 - readers of mails run it on whatever Python they have
    sys.exit("decryption.py needs Python 3.9 or newer: run it with another python3.")

try:
    from cryptography.fernet import Fernet, InvalidToken
except ImportError:
    sys.exit("The Python library cryptography is missing. Install it with: python3 -m pip install cryptography boto3")

DESCRIPTION = """\
Open the encrypted block of a key-rotation mail and show the access key pair in
it.

The block is asked for: paste it, and press Enter. It is also read from a file
(--file), from standard input, or from the environment variable CIPHER_TEXT.
Line breaks and the "> " of a quoted mail do no harm. Don't write it into a
command, since your shell keeps those; older mails did.

The key to the block lies in the SSM Parameter Store and is read with your own
AWS credentials, that is, with the access key you have been using so far. If it
was handed to you in another way, --ask-key asks for it (or it is read from the
environment variable ENC_KEY), and AWS is not.

Before --profile writes the pair, it is checked: AWS has to answer to it, as
the user and account of the block and of the profile. Right after a rotation
that can take some seconds, which are waited out."""

EXAMPLES = """\
examples:
  python3 scripts/decryption.py
      ask for the block, and show the key pair
  python3 scripts/decryption.py --region eu-central-1 --file block.txt
      take the block from a file and its key from another region
  python3 scripts/decryption.py --profile work
      write the pair into the profile "work" of the AWS credentials file; the
      pair that it replaces is kept as "work-previous"
  eval "$(python3 scripts/decryption.py --format env)"
      use the pair in this shell
  python3 scripts/decryption.py --ask-key --file block.txt
      without AWS; with --profile, add --no-check

exit codes: 0 done; 1 it did not work, and the message says what to fix;
2 the command was not understood; 130 interrupted"""

ACCESS_KEY_ID = "aws_access_key_id"
SECRET_ACCESS_KEY = "aws_secret_access_key"  # noqa: S105 - the name of a setting of the AWS credentials file, no secret
SESSION_TOKENS = ("aws_session_token", "aws_security_token")

# IAM is eventually consistent: a new key may be refused for some 10 to 15 seconds.
CHECK_SECONDS = 60
PAUSE_SECONDS = 2


# https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
USER_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
KEY_ID = re.compile(r"[A-Za-z0-9_]{16,128}")
SECRET = re.compile(r"[!-~]+")

OTHERS = 0o066  # the right of group and everybody to read or write a file


class Mishap(Exception):
    """Something the user can fix; its message is one line that names the thing and the remedy."""


@dataclasses.dataclass(frozen=True)
class KeyPair:
    """What a block of this service holds."""

    user: str
    access_key_id: str
    secret_access_key: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Owner:
    """Who a key belongs to, as AWS tells it; ``name`` is a user's, None for a role or the account's root."""

    arn: str
    account: str
    name: str | None

    def is_same(self, other: Owner) -> bool:
        """Tell whether both are one user of one account: paths do not matter to that, nor does case."""
        return self.account == other.account and other.name is not None and self.is_called(other.name)

    def is_called(self, name: str) -> bool:
        """Tell whether the user has this name: IAM compares names without regard to case."""
        return self.name is not None and self.name.lower() == name.lower()


@dataclasses.dataclass(frozen=True)
class Key:
    """What opens a block: the Fernet key, where it came from, and the AWS account in which it was, if in one."""

    value: str = dataclasses.field(repr=False)
    origin: str
    account: str | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit code: 0, 1 or 130. Argparse itself exits with 2 when it does not understand the command.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        text = read_block(options, os.environ, sys.stdin)
        if text is None:
            parser.error("no block given: pass it as an argument, with --file, or on standard input")
        block = clean(text)
        key = find_key(options, os.environ)
        _deliver(open_block(block, key.value, key.origin), key.account, options)
    except Mishap as mishap:
        _tell(f"{parser.prog}: {mishap}")
        return 1
    except KeyboardInterrupt:
        _tell("Interrupted.")
        return 130
    return 0


def printable(text: object) -> str:
    """Write what a terminal would obey, or what turns the direction of writing, as an escape that is only read."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in str(text)
    )


def _tell(words: str) -> None:
    print(printable(words), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="decryption.py",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("block", nargs="?", help="the encrypted block, as older mails have it in the command")
    source.add_argument("--file", metavar="PATH", help="read the block from this file; - is standard input")

    key = parser.add_argument_group("where the encryption key is")
    key.add_argument("--ask-key", action="store_true", help="ask for it; what you paste is not shown")
    key.add_argument("--parameter", metavar="NAME", help="its SSM parameter (default: the one that belongs to you)")
    key.add_argument("--region", help="the AWS region of the parameter (default: that of your AWS configuration)")
    key.add_argument("--aws-profile", metavar="NAME", help="the AWS profile to read it with (default: your usual one)")

    fate = parser.add_argument_group("what becomes of the key pair")
    output = fate.add_mutually_exclusive_group()
    output.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="text",
        help="print it as text to read, as shell commands (env), or as json (default: %(default)s)",
    )
    output.add_argument(
        "--profile",
        metavar="NAME",
        type=_profile_name,
        help="write it into this profile of the AWS credentials file, and print no secret",
    )
    fate.add_argument(
        "--check",
        action=argparse.BooleanOptionalAction,
        help="first make sure that AWS accepts the pair, waiting up to a minute, and whose it is "
        "(default: with --profile only)",
    )
    fate.add_argument(
        "--allow-other-user",
        action="store_true",
        help="take a pair whose user or account is not that of the block, or of the profile",
    )
    fate.add_argument(
        "--private", action="store_true", help="with --profile: make the credentials file yours alone (mode 0600)"
    )
    return parser


def _profile_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.@+=,:/-]+", name):
        raise argparse.ArgumentTypeError(f"{name!r} cannot name a profile: use letters, digits and _ . @ + = , : / -")
    return name


# --- The block -------------------------------------------------------------------------------------------------------


def read_block(options: argparse.Namespace, environment: Mapping[str, str], stdin: TextIO) -> str | None:
    """Take the block from where the user put it, the most explicit place first; None if it is nowhere."""
    if options.block:
        return str(options.block)
    if options.file == "-":
        return _read(stdin, "standard input")
    if options.file:
        try:
            with Path(options.file).open(encoding="utf-8") as file:
                return _read(file, options.file)
        except OSError as error:
            raise Mishap(
                f"{options.file} cannot be read ({error.strerror}): check the path given with --file."
            ) from None
    if environment.get("CIPHER_TEXT"):
        return environment["CIPHER_TEXT"]
    if stdin.isatty():
        return _paste(stdin)
    return _read(stdin, "standard input").strip() or None


def _paste(stdin: TextIO) -> str:
    """Ask for the block, and read until it is whole; an empty line after a part of it ends it as well."""
    _tell("Paste the encrypted block from the mail, and press Enter:")
    pasted = ""
    for line in iter(stdin.readline, ""):
        pasted += line
        block = _without_quotation(pasted)
        if _is_whole(block) or (block and not line.strip()):
            break
    return pasted


def _read(file: TextIO, name: str) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise Mishap(f"{name} is not text: save the block alone, as plain text.") from None


def clean(text: str) -> str:
    """Undo what mail programs and terminals do to a block: line breaks, indentation, quotation marks.

    Raises:
        Mishap: what is left cannot be a block.
    """
    block = _without_quotation(text)
    if not block:
        raise Mishap("The block is empty: copy the whole block from the mail.")
    if foreign := re.search(r"[^A-Za-z0-9_=-]", block):
        raise Mishap(f"The block holds {foreign.group()!r}, which no block does: copy the block alone from the mail.")
    if not _is_whole(block):
        raise Mishap(
            "The block is damaged or cut off: copy all of it from the mail, from gAAAAA to its last character."
        )
    return block


def _without_quotation(text: str) -> str:
    return "".join(re.sub(r"^[\s>]+", "", text, flags=re.MULTILINE).split())


def _is_whole(block: str) -> bool:
    """Tell whether this has the frame of a Fernet token: version, time, IV, whole AES blocks, HMAC."""
    try:
        token = base64.urlsafe_b64decode(block)
    except ValueError:  # binascii.Error is one; so is that of a character outside ASCII
        return False
    ciphertext = len(token) - (1 + 8 + 16 + 32)
    return token[:1] == b"\x80" and ciphertext > 0 and ciphertext % 16 == 0


def open_block(block: str, key: str, origin: str) -> KeyPair | str:
    """Decrypt a block.

    Args:
        block: a Fernet token.
        key: the Fernet key.
        origin: where the key came from, for messages.

    Returns:
        The key pair; or the plain text, where the block is one of those that hold a single value, as the tool before
        this one mailed them.

    Raises:
        Mishap: the key is none, or is not the one of this block.
    """
    try:
        fernet = Fernet(key)
    except ValueError:
        raise Mishap(f"{origin} does not hold an encryption key: it must be 44 characters that end in '='.") from None
    try:
        plaintext = fernet.decrypt(block).decode()
    except (InvalidToken, UnicodeDecodeError):
        raise Mishap(
            f"The key in {origin} does not open this block: take the block from your newest mail, and copy all of it."
        ) from None
    return _key_pair(plaintext) or plaintext


def _key_pair(plaintext: str) -> KeyPair | None:
    """Read a pair, if it is one that AWS could have made: anything else goes into no file and no shell."""
    with contextlib.suppress(ValueError, TypeError):
        pair = KeyPair(**json.loads(plaintext))
        if (
            USER_NAME.fullmatch(pair.user)
            and KEY_ID.fullmatch(pair.access_key_id)
            and SECRET.fullmatch(pair.secret_access_key)
        ):
            return pair
    return None


# --- Its key ---------------------------------------------------------------------------------------------------------


def find_key(options: argparse.Namespace, environment: Mapping[str, str]) -> Key:
    """Fetch the encryption key.

    What the user types goes before a parameter named on the command line, that before ENC_KEY, and ENC_KEY before the
    user's own parameter.
    """
    if options.ask_key:
        if not sys.stdin.isatty():
            raise Mishap("Nobody is here to be asked for the encryption key: put it into the variable ENC_KEY.")
        return Key(getpass.getpass("Encryption key (it is not shown): ", sys.stderr).strip(), "what you have typed")
    if environment.get("ENC_KEY") and not options.parameter:
        return Key(environment["ENC_KEY"].strip(), "ENC_KEY")
    return _ask_aws(options)


def own_parameter(arn: str, user_id: str) -> str:
    """Name the SSM parameter that holds a user's encryption key.

    SSM names take only letters, digits and ``_.-``; a user with any other character in its name, such as the ``@`` of
    an e-mail address, goes by its immutable id.

    Args:
        arn: the caller's, as sts:GetCallerIdentity tells it.
        user_id: likewise, ``AIDA…``.

    Raises:
        Mishap: the caller is no IAM user.
    """
    resource = arn.split(":", 5)[-1]
    if not resource.startswith("user/"):
        raise Mishap(f"You are {arn}, which is no IAM user: name the parameter from the mail with --parameter.")
    name = resource.rsplit("/", 1)[-1]
    if re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        return f"/ikr/secret/iam/{name}"
    return f"/ikr/secret/iam-id/{user_id}"


def _ask_aws(options: argparse.Namespace) -> Key:
    boto3 = _boto3()
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError  # noqa: PLC0415

    parameter = options.parameter
    try:
        session = boto3.Session(profile_name=options.aws_profile, region_name=options.region)
        if not parameter:
            identity = session.client("sts", config=_config()).get_caller_identity()
            parameter = own_parameter(identity["Arn"], identity["UserId"])
        answer = session.client("ssm", config=_config()).get_parameter(Name=parameter, WithDecryption=True)
    except ClientError as error:
        raise Mishap(_explain(error, parameter, session.region_name)) from None
    except NoCredentialsError:
        raise Mishap(
            "No AWS credentials found: run `aws configure` with your present access key, or use --aws-profile."
        ) from None
    except NoRegionError:
        raise Mishap("No AWS region is set: name the one from the mail with --region.") from None
    except (BotoCoreError, ValueError) as error:
        raise Mishap(f"AWS could not be asked for the encryption key: {_one_line(error)}") from None
    found = answer["Parameter"]
    account = found["ARN"].split(":")[4] if found.get("ARN") else None
    return Key(found["Value"].strip(), parameter, account)


def _boto3() -> ModuleType:
    try:
        import boto3  # noqa: PLC0415 - a user who has the key in ENC_KEY need not have boto3
    except ImportError:
        raise Mishap("The Python library boto3 is missing. Install it with: python3 -m pip install boto3") from None
    return boto3


def _config() -> Config:
    from botocore.config import Config  # noqa: PLC0415 - as above

    return Config(connect_timeout=10, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})


def _explain(error: ClientError, parameter: str | None, region: str | None) -> str:
    """Say in the user's terms what AWS said in its own."""
    details = error.response.get("Error", {})
    code, message = details.get("Code", ""), _one_line(details.get("Message", ""))
    if code == "ParameterNotFound":
        return (
            f"There is no parameter {parameter} in {region}: compare it with the mail (--parameter, "
            "--region). It is deleted together with the old access key; after that only a new rotation helps."
        )
    if code.startswith("AccessDenied"):
        return (
            f"You may not read {parameter or 'your encryption key'}: ask your administrator for the decrypt policy of "
            f"iam-key-rotator. AWS says: {message}"
        )
    if code.startswith("ExpiredToken") or code == "RequestExpired":
        return f"Your AWS session has expired ({code}): log in again, or use your access key with --aws-profile."
    if code in {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
    }:
        return (
            f"AWS does not accept your credentials ({code}): use the access key you had before the mail, with "
            "--aws-profile or in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    return f"AWS did not hand out {parameter or 'your identity'} ({code}): {message}"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


# --- Does it work? ---------------------------------------------------------------------------------------------------


def check(pair: KeyPair, account: str | None, options: argparse.Namespace) -> Owner:
    """Ask AWS whose the new pair is, and compare that with the block and the profile.

    Args:
        pair: what the block holds.
        account: where the block's key was found, which is where its user is; None: nobody knows.
        options: those of the command.

    Raises:
        Mishap: AWS does not accept the pair, or cannot be asked; or the pair is somebody else's.
    """
    owner = _owner_of(pair, options)
    if options.allow_other_user:
        return owner
    here = f" in account {account}" if account else ""
    if not owner.is_called(pair.user) or account not in {None, owner.account}:
        raise _others(pair, owner, f"the block is for the user {pair.user}{here}")
    if options.profile and (present := _owner_of_profile(pair, options)) and not owner.is_same(present):
        raise _others(pair, owner, f"the key in the profile {options.profile} to {present.arn}")
    return owner


def _others(pair: KeyPair, owner: Owner, wanted: str) -> Mishap:
    return Mishap(
        f"The new key {pair.access_key_id} belongs to {owner.arn}, and {wanted}. Nothing was done with it: ask your "
        "administrator, or, if you know that it is meant, add --allow-other-user."
    )


def _owner_of(pair: KeyPair, options: argparse.Namespace) -> Owner:
    _boto3()
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - needs boto3

    try:
        sts = _sts(_settings(pair), options)
        return _once_it_is_known(sts, pair.access_key_id)
    except ClientError as error:
        raise Mishap(
            f"AWS refuses the new key {pair.access_key_id} ({_code(error)}), and nothing was done with it: take the "
            "block from your newest mail, or ask your administrator about the key. With --no-check you get it all the "
            "same."
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise Mishap(
            f"The new key {pair.access_key_id} could not be checked, and nothing was done with it: {_one_line(error)}. "
            "Try again, or add --no-check."
        ) from None


def _owner_of_profile(pair: KeyPair, options: argparse.Namespace) -> Owner | None:
    """Ask AWS whose the key is that the profile holds now.

    None, and a word about it, where nobody can tell: the profile is new, or its key no longer works. That is not held
    against the new pair, for an old key that has ended would keep its user out for good; and it is kept as a profile.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - was there for the new pair

    present = present_credentials(options.profile, credentials_file(os.environ))
    key_id = present.get(ACCESS_KEY_ID)
    if not (key_id and present.get(SECRET_ACCESS_KEY)) or key_id == pair.access_key_id:
        return None
    try:
        return _owner(_sts(present, options))
    except ClientError as error:
        _tell(
            f"AWS does not accept {key_id}, the key in the profile {options.profile} ({_code(error)}): whose it was "
            "cannot be told, so it is not compared."
        )
        return None
    except (BotoCoreError, ValueError) as error:
        raise Mishap(
            f"AWS could not be asked whose the key in the profile {options.profile} is, and nothing was done: "
            f"{_one_line(error)}. Try again, or add --allow-other-user."
        ) from None


def _sts(credentials: Mapping[str, str], options: argparse.Namespace) -> STSClient:
    """Sign in with these settings of a profile, and nothing that is set elsewhere."""
    session = _boto3().Session(
        aws_access_key_id=credentials[ACCESS_KEY_ID],
        aws_secret_access_key=credentials[SECRET_ACCESS_KEY],
        aws_session_token=next((credentials[name] for name in SESSION_TOKENS if credentials.get(name)), None),
        profile_name=options.aws_profile,  # for its region
        region_name=options.region,
    )
    client: STSClient = session.client("sts", config=_config())
    return client


def _owner(sts: STSClient) -> Owner:
    identity = sts.get_caller_identity()
    arn = identity["Arn"]
    resource = arn.split(":", 5)[-1]
    return Owner(arn, identity["Account"], resource.rsplit("/", 1)[-1] if resource.startswith("user/") else None)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "no code"))


def _once_it_is_known(sts: STSClient, key_id: str) -> Owner:
    """Ask until AWS knows the key; GetCallerIdentity needs no permission, so that only a bad key is refused."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - needs boto3

    give_up = time.monotonic() + CHECK_SECONDS
    told = False
    while True:
        try:
            return _owner(sts)
        except ClientError as error:
            if _code(error) != "InvalidClientTokenId" or time.monotonic() >= give_up:
                raise
        if not told:
            _tell(f"AWS does not know {key_id} yet; trying again for up to {CHECK_SECONDS} s ...")
            told = True
        time.sleep(PAUSE_SECONDS)


# --- What becomes of the pair ----------------------------------------------------------------------------------------


def as_text(pair: KeyPair) -> str:
    """For people: each value alone at the end of its line, so that a double click takes it."""
    return (
        f"User:               {pair.user}\n"
        f"Access key id:      {pair.access_key_id}\n"
        f"Secret access key:  {pair.secret_access_key}"
    )


def as_env(pair: KeyPair) -> str:
    """For ``eval``. A session token left over from elsewhere would spoil the pair."""
    return (
        f"export AWS_ACCESS_KEY_ID={shlex.quote(pair.access_key_id)}\n"
        f"export AWS_SECRET_ACCESS_KEY={shlex.quote(pair.secret_access_key)}\n"
        "unset AWS_SESSION_TOKEN"
    )


def as_json(pair: KeyPair) -> str:
    """For programs."""
    return json.dumps(dataclasses.asdict(pair), indent=2)


FORMATS: dict[str, Callable[[KeyPair], str]] = {"text": as_text, "env": as_env, "json": as_json}


def _deliver(opened: KeyPair | str, account: str | None, options: argparse.Namespace) -> None:
    if isinstance(opened, str):
        if options.profile or options.check or options.format != "text":
            raise Mishap(
                "This block holds no key pair such as AWS makes: leave out --profile, --format and --check to see it."
            )
        print(printable(opened))
        return
    if options.check or (options.check is None and options.profile):
        # Before anything is written: a pair that does not work must not take the place of one that does.
        owner = check(opened, account, options)
        _tell(f"AWS accepts {opened.access_key_id} as {owner.arn}.")
    if options.profile:
        path = credentials_file(os.environ)
        store(opened, options.profile, path, private=options.private)
        print(
            printable(
                f"Access key {opened.access_key_id} of {opened.user} is now in the profile {options.profile} of {path}."
            )
        )
        if warning := _read_by_others(path):
            _tell(warning)
    else:
        print(FORMATS[options.format](opened))


def _read_by_others(path: Path) -> str | None:
    """Say that a file is not its owner's alone. Windows has no such modes: there, the home folder's rights count."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "nt" or not mode & OTHERS:
        return None
    return (
        f"Others on this machine can read or change {path} (mode {mode:04o}), which stays as it was. Make it yours "
        f"alone: chmod 600 {shlex.quote(str(path))} (or add --private next time)."
    )


def credentials_file(environment: Mapping[str, str]) -> Path:
    """Find the AWS credentials file, where every AWS tool looks for it."""
    return Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()


def present_credentials(profile: str, path: Path) -> dict[str, str]:
    """Read what a profile of the credentials file holds now; nothing, if there is no such profile.

    Raises:
        Mishap: the file is not what AWS tools can read.
    """
    try:
        content = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
        return _credentials(_profiles(content).get(profile, {}))
    except configparser.Error as error:
        raise _malformed(path, error) from None
    except OSError as error:
        raise Mishap(f"{path} cannot be read ({error.strerror}): check who owns it and its directory.") from None


def store(pair: KeyPair, profile: str, path: Path, *, private: bool = False) -> None:
    """Write a pair into the credentials file, whole or not at all. ``private`` makes the file its owner's alone.

    Raises:
        Mishap: the file is not what AWS tools can read, or may not be written. It is as it was.
    """
    target = path.resolve()  # a link to the file stays a link
    try:
        before = target.read_bytes().decode("utf-8", "surrogateescape") if target.exists() else ""
        after = with_profile(before, profile, pair)
        if after != before or private:
            _replace(target, after.encode("utf-8", "surrogateescape"), private=private)
    except configparser.Error as error:
        raise _malformed(path, error) from None
    except OSError as error:
        raise Mishap(f"{path} cannot be written ({error.strerror}): check who owns it and its directory.") from None


def _malformed(path: Path, error: configparser.Error) -> Mishap:
    return Mishap(f"{path} is not a well-formed AWS credentials file{_line(error)}: fix it first.")


def _line(error: configparser.Error) -> str:
    """Say where the fault is. The error's own message may quote the line, and a secret with it."""
    if isinstance(
        error,
        (
            configparser.MissingSectionHeaderError,
            configparser.DuplicateSectionError,
            configparser.DuplicateOptionError,
        ),
    ):
        return f", line {error.lineno}"
    if isinstance(error, configparser.ParsingError):
        return f", line {error.errors[0][0]}"
    return ""


def with_profile(content: str, profile: str, pair: KeyPair) -> str:
    """Put a pair into the text of a credentials file.

    Every line that is not about this profile's keys stays as it is, to the byte. The keys that were there move to the
    profile NAME-previous; a session token among them moves too, since it would spoil the new pair.

    Raises:
        configparser.Error: the text does not parse, or is written in a way that this function does not master.
    """
    old = _profiles(content)
    keys = _settings(pair)
    present = _credentials(old.get(profile, {}))
    if present == keys:
        return content
    expected = {profile: {**_other_settings(old.get(profile, {})), **keys}}
    if present:
        previous = f"{profile}-previous"
        expected[previous] = {**_other_settings(old.get(previous, {})), **present}
        content = _with_settings(content, previous, present)
    content = _with_settings(content, profile, keys)
    if _profiles(content) != {**old, **expected}:
        raise configparser.Error(f"the profile {profile} is written in an unusual way")
    return content


def _settings(pair: KeyPair) -> dict[str, str]:
    return {ACCESS_KEY_ID: pair.access_key_id, SECRET_ACCESS_KEY: pair.secret_access_key}


def _profiles(content: str) -> dict[str, dict[str, str]]:
    """Read a credentials file as boto3 does."""
    parser = configparser.RawConfigParser()
    parser.read_string(content)
    return {name: dict(parser[name]) for name in parser.sections()}


def _credentials(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if _is_credential(name)}


def _other_settings(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if not _is_credential(name)}


def _is_credential(name: str) -> bool:
    return name in {ACCESS_KEY_ID, SECRET_ACCESS_KEY, *SESSION_TOKENS}


def _with_settings(content: str, profile: str, credentials: Mapping[str, str]) -> str:
    """Replace the credentials of one profile, which is added at the end if it is not there."""
    newline = "\r\n" if "\r\n" in content else "\n"
    lines = re.findall(r"[^\n]*\n|[^\n]+", content)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += newline
    settings = [f"{name} = {value}{newline}" for name, value in credentials.items()]
    headers = [number for number, line in enumerate(lines) if line.startswith("[")]
    start = next((number for number in headers if lines[number].startswith(f"[{profile}]")), None)
    if start is None:
        gap = [newline] if lines and lines[-1].strip() else []
        return "".join([*lines, *gap, f"[{profile}]{newline}", *settings])
    end = next((number for number in headers if number > start), len(lines))
    others = [line for line in lines[start + 1 : end] if not _is_credential(re.split(r"[=:]", line)[0].strip().lower())]
    return "".join([*lines[: start + 1], *settings, *others, *lines[end:]])


def _replace(path: Path, content: bytes, *, private: bool) -> None:
    """Swap a file's content in one step; its mode stays unless it is to be private, and a new file is."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() and not private else 0o600
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".credentials-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
