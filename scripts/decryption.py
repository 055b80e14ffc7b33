# /// script
# requires-python = ">=3.9"
# dependencies = ["boto3>=1.28", "cryptography>=41"]
# ///
"""Open the encrypted block of a key-rotation mail.

Whoever receives such a mail may have this one file and nothing else of the project, so it stands alone: it needs
Python, `cryptography` and, unless the encryption key is given in ENC_KEY, `boto3`. From top to bottom: the command,
the block, its key, whose the new pair is, what becomes of it, the credentials file.
"""

import os
import sys

# Python 2 stops at the next line and shows it; 3.6 to 3.8 can read the whole file, and stop at the check.
NEEDED: "tuple[int, int]" = (3, 9)  # decryption.py needs Python 3.9 or newer: run it with another python3.
if sys.version_info < NEEDED:
    sys.exit(f"decryption.py needs Python {NEEDED[0]}.{NEEDED[1]} or newer: run it with another python3.")


def _interrupted(kind: "type[BaseException]", fault: BaseException, trace: "TracebackType | None") -> None:
    """End with one line, also where Ctrl-C comes before main() can catch it: most of a start is imports."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, fault, trace)
        return
    os.write(2, b"Interrupted.\n")
    os._exit(130)


if __name__ == "__main__":
    sys.excepthook = _interrupted

PYTHON, OWN_PYTHON = ("py", r"venv\Scripts\python") if os.name == "nt" else ("python3", "venv/bin/python")
MISSING = f"""\
decryption.py: it needs the Python libraries boto3 and cryptography ({{}}). Run it with uv, which installs them:
  uv run decryption.py ...
or in a virtual environment:
  {PYTHON} -m venv venv
  {OWN_PYTHON} -m pip install boto3 cryptography
  {OWN_PYTHON} decryption.py ..."""

try:
    import argparse
    import base64
    import configparser
    import contextlib
    import dataclasses
    import difflib
    import email
    import getpass
    import html
    import io
    import json
    import quopri
    import re
    import select
    import shlex
    import signal
    import stat
    import tempfile
    import time
    import warnings
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TYPE_CHECKING, NoReturn, TextIO

    from cryptography.fernet import Fernet, InvalidToken
except ImportError as error:
    sys.exit(MISSING.format(error))

if TYPE_CHECKING:
    from types import ModuleType, TracebackType

    from boto3 import Session
    from botocore.config import Config
    from botocore.exceptions import ClientError
    from mypy_boto3_sts import STSClient

DESCRIPTION = """\
Open the encrypted block of a key-rotation mail, and put the new access key
where your AWS tools find it (--profile) or on the screen.

The block is asked for: paste it, or the whole mail, and press Enter. It is also
read from a saved mail (--file), from standard input, or from the environment
variable CIPHER_TEXT. Don't write it into a command: your shell keeps those.

The key to the block is in the SSM Parameter Store. It is read with the access
key that the mail replaces, from the first of these: --aws-profile, the
environment (AWS_ACCESS_KEY_ID), --profile, your usual AWS credentials. If you
were given the key in another way, use --ask-key or set ENC_KEY; then AWS is not
asked.

Before --profile writes the new pair, AWS has to accept it, as the user and
account of the block and of the profile. Right after a rotation this can take
some seconds."""

EXAMPLES = """\
examples:
  uv run decryption.py --profile default
      ask for the block; write the new pair into the profile "default" of the
      AWS credentials file, and keep the old one as "default-previous"
  uv run decryption.py --profile default --delete-previous
      when a mail has told you that the old key was deleted: remove it here, too
  eval "$(uv run decryption.py --format env)"
  uv run decryption.py --format powershell | Out-String | Invoke-Expression
      use the new pair in this shell, or in this PowerShell
  uv run decryption.py --ask-key --file block.txt
      without AWS; with --profile, add --no-check

exit codes: 0 done; 1 it did not work, and the message says what to fix;
2 the command was not understood; 130 interrupted"""

ACCESS_KEY_ID = "aws_access_key_id"
SECRET_ACCESS_KEY = "aws_secret_access_key"  # noqa: S105 - the name of a setting of the AWS credentials file, no secret
SESSION_TOKENS = ("aws_session_token", "aws_security_token")

# IAM is eventually consistent: a new key may be refused for some 10 to 15 seconds.
CHECK_SECONDS = 60
PAUSE_SECONDS = 2

# What AWS says of a key that was deleted or deactivated, and of one that it does not know yet.
UNKNOWN_KEY = "InvalidClientTokenId"
GONE = "AWS does not accept {} in the profile {} any more: it has been deleted or deactivated."

# https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
USER_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
KEY_ID = re.compile(r"[A-Za-z0-9_]{16,128}")
SECRET = re.compile(r"[!-~]+")

BLOCK_START = "gAAAAA"  # of every Fernet token until 2106: its version and the time
LONGEST_QUOTE = 300  # characters of what somebody else says
LISTED = 9  # profiles in a message
# Settings of a profile that give it other credentials; botocore goes by the credentials file before the later ones.
LATER_SOURCES = ("login_session", "credential_process")
OTHER_SOURCES = ("role_arn", "web_identity_token_file", "sso_session", "sso_start_url", *LATER_SOURCES)
LARGEST_MAIL = 30_000_000  # bytes; mail services stop at 25 MB or so
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
    user_id: str
    name: "str | None"

    def __str__(self) -> str:
        """Say it as people do: alice in 111122223333."""
        resource = self.arn.split(":", 5)[-1].split("/")
        if self.name:
            who = self.name
        elif resource[0] == "assumed-role":
            who = f"the role {resource[1]}"
        else:
            who = "the root user" if resource == ["root"] else self.arn
        return f"{who} in {self.account}"

    def is_same(self, other: "Owner") -> bool:
        """Tell whether both are one user of one account: paths do not matter to that, nor does case."""
        return self.account == other.account and other.name is not None and self.is_called(other.name)

    def is_called(self, name: str) -> bool:
        """Tell whether the user has this name: IAM compares names without regard to case."""
        return self.name is not None and self.name.lower() == name.lower()


@dataclasses.dataclass(frozen=True)
class Key:
    """What opens a block: the Fernet key, where it came from and, if that was AWS, its account and the reader's key."""

    value: str = dataclasses.field(repr=False)
    origin: str
    account: "str | None" = None
    reader: "str | None" = None


# --- The command -----------------------------------------------------------------------------------------------------


def start() -> int:
    """Run the command as a process of its own, whatever its terminal, its pipes and its Python are like."""
    warnings.simplefilter("ignore")  # what libraries say about an old Python is said to their developers
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):  # it is None where the shell has closed it
            stream.reconfigure(errors=errors)
    try:
        try:
            return main()
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over
            if sys.stdout:
                sys.stdout.flush()
    except BrokenPipeError:  # whoever was to read this has gone
        _abandon(sys.stdout)
    except OSError as error:
        _tell(f"decryption.py: the output could not be written ({error.strerror}): check where it goes.")
        _abandon(sys.stdout)
    return 1


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run the command.

    Returns:
        The exit code: 0, 1 or 130. Argparse itself exits with 2 when it does not understand the command.
    """
    parser = _parser()
    parser.refuse_misspelt(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(arguments)
    try:
        if options.delete_previous:
            if not options.profile:
                parser.error("--delete-previous needs --profile NAME, to delete NAME-previous")
            delete_previous(options, credentials_file(os.environ))
            return 0
        text = read_text(options, os.environ, sys.stdin)
        if text is None:
            parser.error("no block given: paste it when asked, or name a saved mail with --file")
        block = find_block(text)
        key = find_key(options, os.environ)
        _deliver(open_block(block, key.value, key.origin), key, options)
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
    """Say something to the user, beside the result; who has closed that door is not told, and loses nothing else."""
    if not sys.stderr:
        return  # print() would take standard output instead
    try:
        print(printable(words), file=sys.stderr, flush=True)
    except OSError:
        _abandon(sys.stderr)


def _say(words: str) -> None:
    """Say what was done with the pair, where the result goes."""
    print(printable(words))


def _abandon(stream: TextIO) -> None:
    """Let what is still to be written to a stream go nowhere, or Python complains of it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Parser(argparse.ArgumentParser):
    """Complains in one line, and knows what a misspelt option was to be."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"{self.prog}: {printable(message)} (see --help)\n")

    def refuse_misspelt(self, words: Sequence[str]) -> None:
        """Look at the options alone: argparse would take the value of a misspelt one for the block."""
        for option in (word.split("=")[0] for word in words if word.startswith("--")):
            if not any(known.startswith(option) for known in self._option_string_actions):
                near = difflib.get_close_matches(option, self._option_string_actions, 1)
                self.error(f"there is no option {option}{f', did you mean {near[0]}?' if near else ''}")


def _parser() -> Parser:
    parser = Parser(
        prog="decryption.py",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("block", nargs="?", help="the encrypted block, as older mails have it in the command")
    source.add_argument("--file", metavar="PATH", help="find the block in this saved mail or text; - is standard input")

    key = parser.add_argument_group("where the encryption key is (see the command in the mail)")
    key.add_argument("--parameter", metavar="NAME", help="its SSM parameter (default: the one that belongs to you)")
    key.add_argument("--region", help="the AWS region of the parameter (default: that of your AWS configuration)")
    key.add_argument("--account", metavar="ID", type=_account, help="the AWS account that the mail is for")
    key.add_argument("--aws-profile", metavar="NAME", help="the AWS profile to read it with")
    key.add_argument("--ask-key", action="store_true", help="ask for it; what you paste is not shown")

    fate = parser.add_argument_group("what becomes of the key pair")
    output = fate.add_mutually_exclusive_group()
    output.add_argument(
        "--profile",
        metavar="NAME",
        type=_profile_name,
        help="write it into this profile of the AWS credentials file, and print no secret",
    )
    output.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="text",
        help="print it as text to read, as commands of a shell (env) or of PowerShell, or as json "
        "(default: %(default)s)",
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
        help="accept a pair whose user or account is not that of the block, or of the profile",
    )
    fate.add_argument(
        "--delete-previous",
        action="store_true",
        help="with --profile NAME, and no block: remove NAME-previous from the credentials file, if AWS no longer "
        "accepts its key; use it when a mail has told you that the old key was deleted",
    )
    return parser


def _profile_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.@+=,:/-]+", name):
        raise argparse.ArgumentTypeError(f"{name!r} cannot name a profile: use letters, digits and _ . @ + = , : / -")
    return name


def _account(number: str) -> str:
    if not re.fullmatch(r"[0-9]{12}", number):
        raise argparse.ArgumentTypeError(f"{number!r} is not an AWS account ID, which has 12 digits")
    return number


# --- The block -------------------------------------------------------------------------------------------------------


def read_text(options: argparse.Namespace, environment: Mapping[str, str], stdin: "TextIO | None") -> "str | None":
    """Take the text with the block from where the user put it, the most explicit place first; None if it is nowhere."""
    if options.block:
        return str(options.block)
    if options.file and options.file != "-":
        return _read_file(options.file)
    if not options.file and environment.get("CIPHER_TEXT"):
        return environment["CIPHER_TEXT"]
    if stdin is None:
        return None
    if not options.file and stdin.isatty():
        return _paste(stdin)
    if isinstance(stdin, io.TextIOWrapper):
        text = decode(stdin.buffer.read(LARGEST_MAIL), "standard input")
    else:
        text = stdin.read()
    return text if options.file or text.strip() else None


def _read_file(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_MAIL + 1)
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise Mishap(
            f"{path} cannot be read ({getattr(error, 'strerror', error)}): check the path given with --file."
        ) from None
    if len(content) > LARGEST_MAIL:
        raise Mishap(f"{path} is larger than any mail: save the mail without attachments, or the block alone.")
    return decode(content, path)


def decode(content: bytes, name: str) -> str:
    """Turn a saved mail into text. All that matters of it is ASCII, which most encodings have in common.

    Raises:
        Mishap: it is no text.
    """
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise Mishap(f"{name} is an Outlook message (.msg): save the mail as text or .eml, or copy the block from it.")
    utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.lstrip(b"\xef\xbb\xbf\xfe\xff").replace(b"\0", b"")  # in UTF-16, a letter has a zero beside it
    if b"\0" in content and not utf_16 and BLOCK_START.encode() not in text:
        raise Mishap(f"{name} is not a text file: save the mail as text (.txt) or .eml, or copy the block from it.")
    return text.decode("utf-8", "replace")


def _paste(stdin: TextIO) -> str:
    """Ask for the block, and read until it is whole, or until an empty line; all that was pasted is taken.

    What is left would go to the shell, as commands: a last line without an end, too.
    """
    _tell("Paste the encrypted block (or the whole mail), and press Enter:")
    pasted = ""
    for line in iter(stdin.readline, ""):
        pasted += line
        if (_blocks(pasted) or (pasted.strip() and not line.strip())) and not _is_more_coming(stdin):
            break
    if sys.platform != "win32":
        import termios  # noqa: PLC0415 - not on Windows

        termios.tcflush(stdin, termios.TCIFLUSH)
    return pasted


def _is_more_coming(terminal: TextIO) -> bool:
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - there only

        return msvcrt.kbhit()
    return bool(select.select([terminal], [], [], 0.1)[0])


def find_block(text: str) -> str:
    """Find the one block of a mail, whatever mail programs and terminals have done to it.

    Raises:
        Mishap: there is none, it is cut, or there are several.
    """
    for reading in _readings(text):
        blocks = _blocks(reading)
        if len(blocks) > 1:
            starts = ", ".join(f"{block[:12]}... of {_made(block)}" for block in sorted(blocks, key=_made))
            raise Mishap(
                f"There are {len(blocks)} different blocks here ({starts}): use only the one from your newest mail."
            )
        if blocks:
            return blocks[0]
    if not text.strip():
        raise Mishap("The block is empty: copy the whole block from the mail.")
    if any(BLOCK_START in reading for reading in _readings(text)):
        raise Mishap(
            "The block is damaged or cut off: copy all of it from the mail, from gAAAAA to its last character."
        )
    raise Mishap(f"No encrypted block found (it begins with {BLOCK_START}): copy it from the mail with the new key.")


def _readings(text: str) -> Iterator[str]:
    """Give the forms that the text of a mail may have been saved in, the plainest first."""
    parts = [part for part in email.message_from_string(text).walk() if not part.is_multipart()]
    for kind, read in (("text/plain", str), ("text/html", _without_tags)):
        contents = [part.get_payload(decode=True) for part in parts if part.get_content_type() == kind]
        yield "\n\n".join(
            read(content.replace(b"\0", b"").decode("utf-8", "replace"))
            for content in contents
            if isinstance(content, bytes)
        )
    source = quopri.decodestring(text.encode("utf-8", "replace")).decode("utf-8", "replace")
    yield from (text, source, _without_tags(text), _without_tags(source))


def _without_tags(page: str) -> str:
    lines = re.sub(r"(?i)<(br|/?(p|div|td|tr|li|pre|h\d))\b[^<>]*>", "\n", page)
    return html.unescape(re.sub(r"<[^<>]*>", "", lines))


def _blocks(text: str) -> "list[str]":
    """Find the different whole blocks in a text, across line ends, marks of quotation and what is invisible."""
    text = re.sub("[\u00ad\u200b-\u200d\u2060\ufeff]", "", text)
    lines = re.sub(r"(?m)^[^\S\n]*(>[^\S\n]*)*|[^\S\n]+$", "", text)
    joined = "".join(lines.split())
    if _is_whole(joined):
        return [joined]
    found = []
    for start in re.finditer(BLOCK_START, lines):
        end = lines.find(BLOCK_START, start.end())
        match = re.match(
            r"[\w-]+=*(\n+[\w=-]+(?=\n|$)){0,99}", lines[start.start() : end if end > 0 else None], re.ASCII
        )
        pieces = match.group().split() if match else []
        whole = ("".join(pieces[:count]) for count in range(len(pieces), 0, -1))
        found += [block for block in whole if _is_whole(block)][:1]
    return list(dict.fromkeys(found))


def _is_whole(block: str) -> bool:
    """Tell whether this has the frame of a Fernet token: version, time, IV, whole AES blocks, HMAC."""
    if len(block) % 4 or not re.fullmatch(r"[A-Za-z0-9_-]+={0,2}", block):
        return False
    token = base64.urlsafe_b64decode(block)
    ciphertext = len(token) - (1 + 8 + 16 + 32)
    return token[:1] == b"\x80" and ciphertext > 0 and ciphertext % 16 == 0


def _made(block: str) -> str:
    """Tell when a block was made: that is no secret of it."""
    seconds = int.from_bytes(base64.urlsafe_b64decode(block[:12])[1:], "big")
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def open_block(block: str, key: str, origin: str) -> "KeyPair | str":
    """Decrypt a block with a Fernet key; ``origin`` is where that came from, for messages.

    Returns:
        The key pair; or the plain text of a block that holds a single value, as the tool before this one mailed them.

    Raises:
        Mishap: the key is none, or is not the one of this block.
    """
    try:
        fernet = Fernet(key)
    except ValueError:
        raise Mishap(f"{origin} does not hold an encryption key: it must be 44 characters that end in '='.") from None
    try:
        plaintext = fernet.decrypt(block.encode()).decode()
    except (InvalidToken, UnicodeDecodeError):
        raise Mishap(
            f"The key in {origin} does not open this block: use the block from your newest mail, and copy all of it."
        ) from None
    return _key_pair(plaintext) or plaintext


def _key_pair(plaintext: str) -> "KeyPair | None":
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
        if not (sys.stdin and sys.stdin.isatty()):
            raise Mishap("There is no terminal to ask for the encryption key: set the environment variable ENC_KEY.")
        try:
            typed = getpass.getpass("Encryption key (not shown): ", sys.stderr)
        except EOFError:
            raise Mishap("No encryption key was typed: start again when you have it.") from None
        return Key(typed.strip(), "your input")
    if environment.get("ENC_KEY") and not options.parameter:
        return Key(environment["ENC_KEY"].strip(), "ENC_KEY")
    return _ask_aws(options, environment)


def own_parameter(arn: str, user_id: str) -> str:
    """Name the SSM parameter that holds a user's encryption key.

    SSM names take only letters, digits and ``_.-``; a user with any other character in its name, such as the ``@`` of
    an e-mail address, goes by its immutable id.

    Raises:
        Mishap: the caller is no IAM user.
    """
    resource = arn.split(":", 5)[-1]
    if not resource.startswith("user/"):
        raise Mishap(f"You are {arn}, not an IAM user: name the parameter from the mail with --parameter.")
    name = resource.rsplit("/", 1)[-1]
    if re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        return f"/ikr/secret/iam/{name}"
    return f"/ikr/secret/iam-id/{user_id}"


def _ask_aws(options: argparse.Namespace, environment: Mapping[str, str]) -> Key:
    boto3 = _boto3()
    from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound  # noqa: PLC0415 - needs boto3

    profile = reading_profile(options, environment)
    reader = f"the profile {profile}" if profile else "your usual AWS credentials"
    if not profile and environment.get(ACCESS_KEY_ID.upper()):
        reader = "AWS_ACCESS_KEY_ID in the environment"
    with _towards_aws("Could not get the encryption key from AWS"):
        try:
            session = boto3.Session(profile_name=profile, region_name=options.region)
            parameter = options.parameter
            if not parameter:
                caller = _owner(session.client("sts", config=_config()))
                parameter = own_parameter(caller.arn, caller.user_id)
            ssm = session.client("ssm", config=_config())
            found = ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]
        except ClientError as error:
            raise Mishap(_explain(error, session, parameter, reader, options)) from None
        except NoCredentialsError:
            where = f" in {reader}" if profile else ""
            holders = list(_profiles_with_keys())
            again = _run_again(options, () if holders[1:] else holders)
            raise Mishap(f"No AWS credentials found{where}: {again}.") from None
        except ProfileNotFound as error:
            raise Mishap(f"{_one_line(error)}: {_run_again(options)}.") from None
        account = found["ARN"].split(":")[4] if found.get("ARN") else None
        if account and options.account not in {None, account}:
            caller = _caller(session) or Owner(found["ARN"], account, user_id="", name=None)
            raise Mishap(wrong_reader(caller, parameter, reader, options) or parameter)
        credentials = session.get_credentials()
        origin = f"{parameter} ({session.region_name})"
        return Key(found["Value"].strip(), origin, account, credentials.access_key if credentials else None)


@contextlib.contextmanager
def _towards_aws(failed: str, remedy: str = "") -> Iterator[None]:
    """Say in one line what goes wrong on the way to AWS and back. What AWS itself refuses (ClientError) passes."""
    from botocore.exceptions import BotoCoreError, HTTPClientError, NoRegionError  # noqa: PLC0415 - needs boto3
    from botocore.exceptions import ConnectionError as NoConnection  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    why = ""
    try:
        yield
    except NoRegionError:
        why = "no AWS region is set: name the one from the mail with --region."
    except (ResponseParserError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        why = "the answer did not come from AWS: check your network (a proxy, a sign-in page) and AWS_ENDPOINT_URL."
    except (HTTPClientError, NoConnection) as error:
        why = f"{_one_line(error)}: check your network (a proxy, a VPN), and try again."
    except (BotoCoreError, ValueError) as error:
        why = _one_line(error)
    if why:
        raise Mishap(f"{failed}: {why} {remedy}".rstrip())


def reading_profile(options: argparse.Namespace, environment: Mapping[str, str]) -> "str | None":
    """Choose the profile that reads the encryption key; None: boto3's own choice.

    Without a word of the user, and without credentials in the environment, which go first with all AWS tools, it is the
    profile that is about to be changed: it holds the key that the mail replaces.
    """
    if options.aws_profile:
        return str(options.aws_profile)
    if options.profile and not environment.get(ACCESS_KEY_ID.upper()) and options.profile in _held():
        return str(options.profile)
    return None


def _profiles_with_keys() -> "dict[str, dict[str, str]]":
    """Read the key pairs of all profiles but those in which this script has kept an old one."""
    return {name: keys for name, keys in _held().items() if _is_pair(keys) and not name.endswith("-previous")}


def _profiles_of(is_right: "Callable[[Owner], bool]", options: argparse.Namespace) -> "list[str]":
    """Ask AWS whose the keys of the user's profiles are, and name those that belong to the right user."""
    right = []
    for name, keys in list(_profiles_with_keys().items())[:LISTED]:
        with contextlib.suppress(Exception):  # it would only make another message clearer
            if is_right(_owner(_sts(keys, options))):
                right.append(name)
    return right


def _run_again(options: argparse.Namespace, right: Sequence[str] = ()) -> str:
    """Say with which profile to run the command again: one of the right ones or, if they are unknown, one of all."""
    names = [name for name in _held() if not name.endswith("-previous")]
    if not names:
        return "put the key to be replaced into a profile with `aws configure`, then try again"
    how = "--profile {0}"
    if options.aws_profile or not options.profile:
        how = "--aws-profile {0}"
    elif os.environ.get(ACCESS_KEY_ID.upper()):
        how = "--profile {0} --aws-profile {0}"  # the environment goes before --profile alone
    if right:
        return f"run it again with {' or '.join(how.format(name) for name in right)}"
    yours = f"your profiles: {', '.join(names[:LISTED])}{', ...' if names[LISTED:] else ''}"
    return f"run it again with {how.format('NAME')}, the profile that holds the key to be replaced ({yours})"


def _boto3() -> "ModuleType":
    try:
        import boto3  # noqa: PLC0415 - a user who has the key in ENC_KEY need not have boto3
    except ImportError as error:
        sys.exit(MISSING.format(error))
    return boto3


def _config() -> "Config":
    from botocore.config import Config  # noqa: PLC0415 - as above

    return Config(connect_timeout=10, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})


def _explain(
    error: "ClientError", session: "Session", parameter: "str | None", reader: str, options: argparse.Namespace
) -> str:
    """Say in the user's terms what AWS said in its own."""
    code, message = _code(error), _one_line(error.response.get("Error", {}).get("Message", ""))
    if code.startswith("ExpiredToken") or code == "RequestExpired":
        return f"Your AWS session has expired ({code}): log in again, or {_run_again(options)}."
    if code in {UNKNOWN_KEY, "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException"}:
        right = _profiles_of(lambda owner: is_for(owner, parameter, options.account), options) if parameter else []
        return (
            f"AWS does not accept your credentials ({code}), those of {reader}: {_run_again(options, right)}. If they "
            "are the key that the mail replaces, it has been deactivated or deleted: ask your administrator to "
            "reactivate it, or for a new one."
        )
    caller = _caller(session)
    wrong = wrong_reader(caller, parameter, reader, options) if caller and parameter else None
    if wrong:
        return wrong
    you = f"You are {caller}, the user the mail is for, but you" if caller else "You"
    if code == "ParameterNotFound":
        here = f" of account {caller.account}" if caller else ""
        return (
            f"There is no parameter {parameter} in {session.region_name}{here}: compare --region and --parameter with "
            "the mail. If they match, the rotation is over or the new key was withdrawn, and you need a newer mail: "
            "ask your administrator for a new rotation."
        )
    if code == "InvalidKeyId" or code.startswith("KMS") or re.search("kms|customer master key", message, re.IGNORECASE):
        return (
            f"{you} may not decrypt {parameter}, says AWS KMS: ask your administrator for the decrypt policy of "
            f"iam-key-rotator, and whether its KMS key is enabled. AWS says: {message}"
        )
    if code.startswith("AccessDenied"):
        return (
            f"{you} may not read {parameter} in {session.region_name}: compare --region with the mail. If it matches, "
            f"ask your administrator for the decrypt policy of iam-key-rotator. AWS says: {message}"
        )
    return f"AWS did not return {parameter or 'your identity'} ({code}): {message}"


def _caller(session: "Session") -> "Owner | None":
    with contextlib.suppress(Exception):  # it would only make another message clearer
        return _owner(session.client("sts", config=_config()))
    return None


def is_for(owner: Owner, parameter: str, account: "str | None") -> bool:
    """Tell whether a mail is for this user, as far as the parameter and the account in its command tell."""
    folder, _, name = parameter.rpartition("/")
    names = {"iam": owner.is_called(name), "iam-id": owner.user_id == name}
    return names.get(folder.rpartition("/")[2], True) and account in {None, owner.account}


def wrong_reader(caller: Owner, parameter: str, reader: str, options: argparse.Namespace) -> "str | None":
    """Say who signed in, whom the mail is for, and which profile is theirs; None if they are the same."""
    if is_for(caller, parameter, options.account):
        return None
    folder, _, name = parameter.rpartition("/")
    addressee = {"iam": name, "iam-id": f"the user with the id {name}"}.get(folder.rpartition("/")[2], "somebody")
    where = f" in {options.account}" if options.account else ""
    right = _profiles_of(lambda owner: is_for(owner, parameter, options.account), options)
    return (
        f"You are {caller} (signed in with {reader}), and the mail is for {addressee}{where}: "
        f"{_run_again(options, right)}."
    )


def _one_line(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE]}..."


# --- Does it work? ---------------------------------------------------------------------------------------------------


def check(pair: KeyPair, account: "str | None", options: argparse.Namespace) -> Owner:
    """Ask AWS whose the new pair is, and compare that with the block, its account if that is known, and the profile.

    Raises:
        Mishap: AWS does not accept the pair, or cannot be asked; or the pair is somebody else's.
    """
    owner = _owner_of(pair, options)
    if options.allow_other_user:
        return owner
    here = f" in account {account}" if account else ""
    if not owner.is_called(pair.user) or account not in {None, owner.account}:
        raise _others(pair, owner, f"the block is for the user {pair.user}{here}", "ask your administrator")
    present = _owner_of_profile(pair, options) if options.profile else None
    if present and not owner.is_same(present):
        right = " or ".join(f"--profile {name}" for name in _profiles_of(owner.is_same, options))
        remedy = f"run it again with {right}" if right else "ask your administrator"
        raise _others(pair, owner, f"the key in the profile {options.profile} to {present.arn}", remedy)
    return owner


def _others(pair: KeyPair, owner: Owner, wanted: str, remedy: str) -> Mishap:
    return Mishap(
        f"The new key {pair.access_key_id} belongs to {owner.arn}, and {wanted}. Nothing was done with it: {remedy}, "
        "or, if you know that this is intended, add --allow-other-user."
    )


def _owner_of(pair: KeyPair, options: argparse.Namespace) -> Owner:
    _boto3()
    from botocore.exceptions import ClientError  # noqa: PLC0415 - needs boto3

    failed = f"The new key {pair.access_key_id} could not be checked; nothing was done with it"
    with _towards_aws(failed, "To skip the check, add --no-check."):
        try:
            return _once_it_is_known(_sts(_settings(pair), options), pair.access_key_id)
        except ClientError as error:
            raise Mishap(
                f"AWS refuses the new key {pair.access_key_id} ({_code(error)}), and nothing was done with it: use "
                "the block from your newest mail, or ask your administrator about the key. To get it anyway, add "
                "--no-check."
            ) from None


def _owner_of_profile(pair: KeyPair, options: argparse.Namespace) -> "Owner | None":
    """Ask AWS whose the key is that the profile holds now.

    None, and a word about it, where nobody can tell: the profile is new, or its key no longer works. That is not held
    against the new pair, for an old key that has ended would keep its user out for good; and it is kept as a profile.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - was there for the new pair

    present = _held().get(options.profile, {})
    key_id = present.get(ACCESS_KEY_ID)
    if not _is_pair(present) or key_id == pair.access_key_id:
        return None
    failed = f"Could not ask AWS whose key is in the profile {options.profile}; nothing was done"
    with _towards_aws(failed, "To replace it without asking, add --allow-other-user."):
        try:
            return _owner(_sts(present, options))
        except ClientError as error:
            _tell(
                f"AWS does not accept {key_id}, the key in the profile {options.profile} ({_code(error)}): its "
                "owner is unknown and was not compared."
            )
    return None


def _has_ended(credentials: Mapping[str, str], options: argparse.Namespace) -> bool:
    """Tell whether AWS no longer knows a key: it was deleted, or deactivated."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - needs boto3

    with _towards_aws(f"Could not ask AWS about {credentials[ACCESS_KEY_ID]}; nothing was removed"):
        try:
            _owner(_sts(credentials, options))
        except ClientError as error:
            return _code(error) == UNKNOWN_KEY
    return False


def _sts(credentials: Mapping[str, str], options: argparse.Namespace) -> "STSClient":
    """Sign in with these settings of a profile, and nothing that is set elsewhere."""
    session = _boto3().Session(
        aws_access_key_id=credentials[ACCESS_KEY_ID],
        aws_secret_access_key=credentials[SECRET_ACCESS_KEY],
        aws_session_token=next((credentials[name] for name in SESSION_TOKENS if credentials.get(name)), None),
        profile_name=reading_profile(options, os.environ),  # for its region
        region_name=options.region,
    )
    client: STSClient = session.client("sts", config=_config())
    return client


def _owner(sts: "STSClient") -> Owner:
    identity = sts.get_caller_identity()
    arn = identity["Arn"]
    resource = arn.split(":", 5)[-1]
    name = resource.rsplit("/", 1)[-1] if resource.startswith("user/") else None
    return Owner(arn, identity["Account"], identity["UserId"], name)


def _code(error: "ClientError") -> str:
    return str(error.response.get("Error", {}).get("Code", "no code"))


def _once_it_is_known(sts: "STSClient", key_id: str) -> Owner:
    """Ask until AWS knows the key; GetCallerIdentity needs no permission, so that only a bad key is refused."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - needs boto3

    give_up = time.monotonic() + CHECK_SECONDS
    told = False
    while True:
        try:
            return _owner(sts)
        except ClientError as error:
            if _code(error) != UNKNOWN_KEY or time.monotonic() >= give_up:
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


def as_powershell(pair: KeyPair) -> str:
    """For ``Invoke-Expression``. Between single quotes PowerShell reads nothing but a doubled quote."""
    secret = pair.secret_access_key.replace("'", "''")
    return (
        f"$env:AWS_ACCESS_KEY_ID = '{pair.access_key_id}'\n"
        f"$env:AWS_SECRET_ACCESS_KEY = '{secret}'\n"
        "Remove-Item Env:AWS_SESSION_TOKEN -ErrorAction SilentlyContinue"
    )


def as_json(pair: KeyPair) -> str:
    """For programs."""
    return json.dumps(dataclasses.asdict(pair), indent=2)


FORMATS = {"text": as_text, "env": as_env, "powershell": as_powershell, "json": as_json}


def _deliver(opened: "KeyPair | str", key: Key, options: argparse.Namespace) -> None:
    if not sys.stdout:
        raise Mishap("Standard output is closed: open it, since that is where the result goes.")
    if isinstance(opened, str):
        if options.profile or options.check or options.format != "text":
            raise Mishap(
                "This block does not contain an AWS key pair: leave out --profile, --format and --check to see it."
            )
        _say(opened)
        return
    if options.profile and not options.aws_profile and key.reader:
        _refuse_other_profile(opened, key.reader, options.profile)
    checked = options.check or (options.check is None and options.profile)
    if checked:
        # Before anything is written: a pair that does not work must not take the place of one that does.
        owner = check(opened, key.account or options.account, options)
        _tell(f"AWS accepts {opened.access_key_id} as {owner.arn}.")
    if not options.profile:
        print(FORMATS[options.format](opened))
        return
    path = credentials_file(os.environ)
    _write(opened, path, options)
    if checked and _is_somebody_there():
        _offer_to_delete_previous(options, path)


def _refuse_other_profile(pair: KeyPair, reader: str, profile: str) -> None:
    """Refuse to leave the old key in the profile that uses it: every mail says `--profile default`, whoever gets it."""
    ids = {name: keys[ACCESS_KEY_ID] for name, keys in _profiles_with_keys().items()}
    holders = [name for name, key_id in ids.items() if key_id == reader]
    if holders and ids.get(profile) not in {reader, pair.access_key_id}:
        raise Mishap(
            f"Your present key {reader} is in the profile{'s' if holders[1:] else ''} {' and '.join(holders)}, not in "
            f"{profile}: run it again with {' or '.join(f'--profile {name}' for name in holders)} (or, to write into "
            f"{profile} all the same, with --aws-profile {holders[0]})."
        )


def _write(pair: KeyPair, path: Path, options: argparse.Namespace) -> None:
    """Put the pair into the profile; say what it replaced, where that is, and what may still stand in its way."""
    profile, previous = options.profile, f"{options.profile}-previous"
    replaced = present_credentials(profile, path).get(ACCESS_KEY_ID)
    older = present_credentials(previous, path).get(ACCESS_KEY_ID)
    store(pair, profile, path)
    when = "already" if replaced == pair.access_key_id else "now"
    _say(f"Access key {pair.access_key_id} of {pair.user} is {when} in the profile {profile} of {path}.")
    if replaced and replaced != pair.access_key_id:
        gone = f" {older}, which was there before, is no longer in the file." if older and older != replaced else ""
        _say(
            f"It replaced {replaced}, which is now in the profile {previous}.{gone} When a mail tells you that "
            f"it was deleted, remove it from the file: --profile {profile} --delete-previous"
        )
    remarks = (_left_in_config(profile, pair), _read_by_others(path), _other_source(profile, path), _shadow(pair))
    for remark in filter(None, remarks):
        _tell(remark)


def _read_by_others(path: Path) -> "str | None":
    """Say that a file is not its owner's alone. Windows has no such modes: there, the home folder's rights count."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "nt" or not mode & OTHERS:
        return None
    return (
        f"Others on this machine can read or change {path} (mode {mode:04o}), which was left as it is. To make it "
        f"yours alone: chmod 600 {shlex.quote(str(path))}"
    )


def _other_source(profile: str, path: Path) -> "str | None":
    """Say that the profile also takes its credentials from elsewhere, and which of both AWS tools use."""
    config = config_file(os.environ)
    settings, places = {}, {}
    for file, profiles in ((config, _config_profiles(config)), (path, _profiles(_content(path)))):
        settings.update(profiles.get(profile, {}))
        places.update(dict.fromkeys(profiles.get(profile, {}), file))
    source = settings.get("source_profile")
    if settings.get("role_arn") and source and source != profile:
        return (
            f"The profile {profile} assumes a role with the key of the profile {source} (role_arn in "
            f"{places['role_arn']}), and does not use this one: run the command again with --profile {source}."
        )
    other = next((name for name in OTHER_SOURCES if settings.get(name) and not (name == "role_arn" and source)), None)
    if not other:
        return None
    has = f"The profile {profile} also has {other} in {places[other]}"
    if other in LATER_SOURCES:
        return (
            f"{has}: the AWS CLI and boto3 use the new key instead. If the old key is kept there, replace it there, "
            "too."
        )
    return (
        f"{has}: AWS tools may use that instead of this key. Remove it there, or run the command again with another "
        "--profile."
    )


def _left_in_config(profile: str, pair: KeyPair) -> "str | None":
    """Say that a key stays in the config file. AWS tools look into the credentials file first."""
    config = config_file(os.environ)
    old = _config_profiles(config).get(profile, {}).get(ACCESS_KEY_ID)
    if old in {None, "", pair.access_key_id}:
        return None
    return f"The old key {old} is in {config}, in the profile {profile}, and stays there: remove it when it has ended."


def _shadow(pair: KeyPair) -> "str | None":
    if os.environ.get(ACCESS_KEY_ID.upper()) in {None, "", pair.access_key_id}:
        return None
    return (
        "AWS_ACCESS_KEY_ID is set in this shell, and AWS tools use it before any profile: unset it, and update or "
        "remove it where it is set."
    )


def _offer_to_delete_previous(options: argparse.Namespace, path: Path) -> None:
    """Ask about a pair that is kept and no longer works: it is of no use, and is taken for a leak when it is found."""
    previous = f"{options.profile}-previous"
    old = present_credentials(previous, path)
    ended = False
    with contextlib.suppress(Mishap):  # what the command is for has been done
        ended = _is_pair(old) and _has_ended(old, options)
    if ended and _agrees_to_remove(old[ACCESS_KEY_ID], previous):
        _remove(previous, path)


def _agrees_to_remove(key_id: str, profile: str) -> bool:
    """Ask, with no as the default: the key may only be deactivated, and an administrator could reactivate it."""
    question = (
        f"{GONE.format(key_id, profile)} Remove it only if a mail has told you that it was deleted. Remove it? [y/N] "
    )
    print(printable(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _is_somebody_there() -> bool:
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())


def delete_previous(options: argparse.Namespace, path: Path) -> None:
    """Remove the pair in NAME-previous, if AWS no longer accepts it, and does accept the one in NAME.

    At a terminal it asks first.

    Raises:
        Mishap: otherwise; or AWS cannot be asked.
    """
    _boto3()
    previous = f"{options.profile}-previous"
    old, new = present_credentials(previous, path), _held().get(options.profile, {})
    if not _is_pair(old):
        _say(f"There is no key in the profile {previous} of {path}: nothing to remove.")
        return
    if not _has_ended(old, options):
        raise Mishap(
            f"AWS still knows {old[ACCESS_KEY_ID]} in the profile {previous}, so it was kept: try again when a mail "
            "has told you that it was deleted."
        )
    if not _is_pair(new) or _has_ended(new, options):
        raise Mishap(
            f"AWS accepts neither {previous} nor the profile {options.profile} itself, so both were kept. Write your "
            "new key to it first."
        )
    if not _is_somebody_there():
        _say(GONE.format(old[ACCESS_KEY_ID], previous))
    elif not _agrees_to_remove(old[ACCESS_KEY_ID], previous):
        return
    _remove(previous, path)


def _remove(profile: str, path: Path) -> None:
    _edit(path, lambda content: without_credentials(content, profile))
    _say(f"The key in the profile {profile} was removed from {path}.")


# --- The AWS credentials file ----------------------------------------------------------------------------------------


def credentials_file(environment: Mapping[str, str]) -> Path:
    """Find the AWS credentials file, where every AWS tool looks for it."""
    return _home(environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")


def config_file(environment: Mapping[str, str]) -> Path:
    """Find the AWS config file: it has profiles as well, and may hold keys."""
    return _home(environment.get("AWS_CONFIG_FILE") or "~/.aws/config")


def _home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise Mishap(f"You have no home folder, so {path} cannot be found: set HOME.") from None


def present_credentials(profile: str, path: Path) -> "dict[str, str]":
    """Read what a profile of the credentials file holds now; nothing, if there is no such profile.

    Raises:
        Mishap: the file is not what AWS tools can read.
    """
    return _all_credentials(path).get(profile, {})


def _held() -> "dict[str, dict[str, str]]":
    """Read the credentials of each profile as botocore does: the credentials file goes before the config file."""
    held = {name: _credentials(settings) for name, settings in _config_profiles(config_file(os.environ)).items()}
    for name, keys in _all_credentials(credentials_file(os.environ)).items():
        if ACCESS_KEY_ID in keys or name not in held:
            held[name] = keys
    return held


def _config_profiles(path: Path) -> dict[str, dict[str, str]]:
    """Read the config file's profiles; none, if it is malformed: other tools will say what is wrong there."""
    found = {}
    with contextlib.suppress(OSError, ValueError, configparser.Error):
        for heading, settings in _profiles(path.read_text(encoding="utf-8")).items():
            profile = re.fullmatch(r"""profile\s+(["']?)(\S+)\1|default""", heading)
            if profile:
                found[profile[2] or heading] = settings
    return found


def _all_credentials(path: Path) -> dict[str, dict[str, str]]:
    try:
        return {name: _credentials(settings) for name, settings in _profiles(_content(path)).items()}
    except configparser.Error as error:
        raise _malformed(path, error) from None
    except OSError as error:
        raise Mishap(f"{path} cannot be read ({error.strerror}): check who owns it and its directory.") from None


def store(pair: KeyPair, profile: str, path: Path) -> None:
    """Write a pair into the credentials file, whole or not at all.

    Raises:
        Mishap: the file is not what AWS tools can read, or may not be written. It is as it was.
    """
    _edit(path, lambda content: with_profile(content, profile, pair))


def _edit(path: Path, change: "Callable[[str], str]") -> None:
    target = path.resolve()  # a link to the file stays a link
    try:
        before = _content(target)
        after = change(before)
        if after != before:
            _replace(target, after.encode("utf-8", "surrogateescape"))
    except configparser.Error as error:
        raise _malformed(path, error) from None
    except OSError as error:
        raise Mishap(
            f"{path} cannot be written ({error.strerror}), and is as it was: check who owns it and its folder, and "
            "the space on the disk."
        ) from None


def _content(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""


def _malformed(path: Path, error: configparser.Error) -> Mishap:
    return Mishap(f"{path} is not a well-formed AWS credentials file{_line(error)}: fix it first.")


def _line(error: configparser.Error) -> str:
    """Say where the fault is. The error's own message may quote the line, and a secret with it."""
    errors = getattr(error, "errors", None)  # of ParsingError; others have lineno
    number = errors[0][0] if errors else getattr(error, "lineno", None)
    return f", line {number}" if number else ""


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


def _is_pair(credentials: Mapping[str, str]) -> bool:
    return bool(credentials.get(ACCESS_KEY_ID) and credentials.get(SECRET_ACCESS_KEY))


def _other_settings(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if not _is_credential(name)}


def _is_credential(name: str) -> bool:
    return name in {ACCESS_KEY_ID, SECRET_ACCESS_KEY, *SESSION_TOKENS}


def without_credentials(content: str, profile: str) -> str:
    """Take a profile's keys out of the text of a credentials file, and its name, too, if nothing else is there.

    Raises:
        configparser.Error: as for ``with_profile``.
    """
    expected = _profiles(content)
    kept = _other_settings(expected.pop(profile, {}))
    before, header, others, after = _split(content, profile)
    if kept:
        expected[profile] = kept
        before.append(header)
    content = "".join([*before, *others, *after])
    if _profiles(content) != expected:
        raise configparser.Error(f"the profile {profile} is written in an unusual way")
    return content


def _with_settings(content: str, profile: str, credentials: Mapping[str, str]) -> str:
    """Replace the credentials of one profile, which is added at the end if it is not there."""
    newline = "\r\n" if "\r\n" in content else "\n"
    if content and not content.endswith("\n"):
        content += newline
    before, header, others, after = _split(content, profile)
    if not header:
        gap = [newline] if before and before[-1].strip() else []
        before, header = [*before, *gap], f"[{profile}]{newline}"
    settings = [f"{name} = {value}{newline}" for name, value in credentials.items()]
    return "".join([*before, header, *settings, *others, *after])


def _split(content: str, profile: str) -> "tuple[list[str], str, list[str], list[str]]":
    """Divide a file's lines: before a profile, its header ("" if there is none), what is not its keys, and after it."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", content)
    headers = [number for number, line in enumerate(lines) if line.startswith("[")]
    start = next((number for number in headers if lines[number].startswith(f"[{profile}]")), None)
    if start is None:
        return lines, "", [], []
    end = next((number for number in headers if number > start), len(lines))
    others = [line for line in lines[start + 1 : end] if not _is_credential(re.split(r"[=:]", line)[0].strip().lower())]
    return lines[:start], lines[start], others, lines[end:]


def _replace(path: Path, content: bytes) -> None:
    """Swap a file's content in one step; its mode and, under sudo, its owner stay. A new file is its owner's alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    owned = (path if path.exists() else path.parent).stat()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".credentials-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # not on Windows
            os.chown(temporary, owned.st_uid, owned.st_gid)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(start())
