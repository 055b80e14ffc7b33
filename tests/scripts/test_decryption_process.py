"""scripts/decryption.py as a process: any Python, any terminal, Ctrl-C at any moment, pipes that close."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import termios
import tomllib
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from scripts import decryption
from tests.scripts import loopback_aws

SCRIPT = Path(decryption.__file__)
SOURCE = SCRIPT.read_text(encoding="utf-8")
SECRET = "not-a-real-secret/new"
PAIR = decryption.KeyPair("alice", "AKIAFAKE00000000NEW1", SECRET)
KEY = Fernet.generate_key().decode()
BLOCK = Fernet(KEY).encrypt(decryption.as_json(PAIR).encode()).decode()
IN_USE = "[work]\naws_access_key_id = AKIAFAKE00000000OLD1\naws_secret_access_key = not-a-real-secret\n"
COMMAND = [sys.executable, str(SCRIPT)]
STORE = ["--profile", "work", "--no-check"]


@pytest.fixture(autouse=True)
def credentials_file(aws_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile in use, and block and key at hand."""
    monkeypatch.setenv("ENC_KEY", KEY)
    monkeypatch.setenv("CIPHER_TEXT", BLOCK)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    aws_environment.parent.mkdir()
    aws_environment.write_text(IN_USE)
    aws_environment.chmod(0o600)
    return aws_environment


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell, in which $RUN is the command."""
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("$RUN", shlex.join(COMMAND))],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class TestPythons:
    """The reader of a mail runs it on whatever is there. A Python that is too old says which one is needed."""

    TOO_OLD = "decryption.py needs Python 3.9 or newer: run it with another python3.\n"

    def test_python_3_6_can_read_all_of_it(self) -> None:
        """Or it would show a syntax error instead."""
        tree = ast.parse(SOURCE, feature_version=(3, 6))

        futures = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
        assert futures == []

    def test_nothing_that_is_newer_runs_before_the_check(self) -> None:
        body = ast.parse(SOURCE).body
        check = next(number for number, node in enumerate(body) if isinstance(node, ast.If))

        before = [ast.unparse(node) for node in body[1:check]]

        assert ast.unparse(body[check]).startswith("if sys.version_info < NEEDED:")
        assert before == ["import os", "import sys", "NEEDED: 'tuple[int, int]' = (3, 9)"]

    def test_python_2_shows_the_line_that_says_it(self) -> None:
        """It reads no further than to the first annotation, and shows that line."""
        first = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.AnnAssign))

        line = SOURCE.splitlines()[first.lineno - 1]

        assert line.endswith("# decryption.py needs Python 3.9 or newer: run it with another python3.")
        assert SOURCE.isascii() or "\n".join(SOURCE.splitlines()[: first.lineno]).isascii()

    def test_every_old_python_that_is_here_says_so_in_one_line(self, tmp_path: Path) -> None:
        """The tests above hold where there is none."""
        root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
        pythons = sorted(root.glob("versions/3.[5678].*/bin/python"))

        answers = {
            str(python): subprocess.run(
                [python, SCRIPT, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
            )
            for python in pythons
        }

        assert {(done.returncode, done.stdout, done.stderr) for done in answers.values()} <= {(1, "", self.TOO_OLD)}

    def test_what_uv_reads_agrees_with_it(self) -> None:
        """The pattern is that of PEP 723."""
        found = re.findall(r"(?m)^# /// script$\s(?P<content>(?:^#(?:| .*)$\s)+)^# ///$", SOURCE)
        metadata = tomllib.loads("".join(line[2:] + "\n" for line in found[0].splitlines()))

        names = {re.split(r"[<>=~!]", dependency)[0] for dependency in metadata["dependencies"]}

        assert len(found) == 1
        assert metadata.keys() == {"requires-python", "dependencies"}
        assert metadata["requires-python"] == ">={}.{}".format(*decryption.NEEDED)
        assert names == {"boto3", "cryptography"}


# A shell lets what it starts in the background ignore Ctrl-C, and these tests may be there.
HEED_CTRL_C = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)


class Waiting:
    """The command, started where a test can tell how far it is."""

    def __init__(self, *arguments: str, stdin: int = subprocess.DEVNULL, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HEED_CTRL_C, *COMMAND, *arguments],
            env={**os.environ, **environment},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # getpass would take the terminal of the tests
        )
        self.said = b""

    def until(self, words: str) -> Waiting:
        """Wait until it has said something."""
        stderr = self.process.stderr
        assert stderr
        while words.encode() not in self.said:
            assert select.select([stderr], [], [], 60)[0], self.said
            more = os.read(stderr.fileno(), 1000)
            assert more, self.said
            self.said += more
        return self

    def interrupted(self) -> tuple[int, str, str]:
        """Press Ctrl-C; give the exit code, standard output, and what it says from then on.

        As people do, press it again if nothing happens: a signal just before a call that waits is seen after that.
        """
        for _ in range(10):
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                out, err = self.process.communicate(timeout=6)
                return self.process.returncode, out.decode(), err.decode()
        pytest.fail("it goes on")


class TestInterrupted:
    """Ctrl-C ends in one line, whatever the command is at, and nothing is half-done."""

    ENDED = (130, "", "Interrupted.\n")

    @pytest.mark.parametrize("module", ["argparse", "email", "getpass", "cryptography", "typing"])
    def test_imports(self, module: str, tmp_path: Path) -> None:
        self.waits(tmp_path / f"{module}.py")

        command = Waiting(PYTHONPATH=str(tmp_path)).until("at it")

        assert command.interrupted() == self.ENDED

    def test_import_of_boto3(self, tmp_path: Path) -> None:
        self.waits(tmp_path / "boto3.py")

        command = Waiting("--parameter", "/ikr/secret/iam/alice", PYTHONPATH=str(tmp_path)).until("at it")

        assert command.interrupted() == self.ENDED

    def test_paste(self, terminal: tuple[int, int]) -> None:
        command = Waiting(stdin=terminal[1], CIPHER_TEXT="").until("press Enter:\n")

        assert command.interrupted() == self.ENDED

    def test_typing_the_key(self, terminal: tuple[int, int]) -> None:
        """The terminal shows again what is typed."""
        command = Waiting("--ask-key", stdin=terminal[1]).until("(not shown): ")

        code, _, err = command.interrupted()

        assert (code, err.strip()) == (130, "Interrupted.")
        assert termios.tcgetattr(terminal[1])[3] & termios.ECHO

    def test_aws_that_does_not_answer(self, credentials_file: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
            command = Waiting("--profile", "work", "--parameter", "/ikr/secret/iam/alice", AWS_ENDPOINT_URL=endpoint)
            connection, _ = server.accept()

            with connection:
                assert command.interrupted() == self.ENDED

        assert credentials_file.read_text() == IN_USE

    def test_waiting_for_iam(self, credentials_file: Path) -> None:
        with loopback_aws.serving() as aws:
            command = Waiting("--profile", "work", AWS_ENDPOINT_URL=aws.endpoint).until("trying again")

            assert command.interrupted() == self.ENDED

        assert credentials_file.read_text() == IN_USE

    def test_writing(
        self, credentials_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The file is the old one, whole, and alone."""

        def interrupt(_: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)

        code = decryption.main(STORE)

        assert (code, *capsys.readouterr()) == self.ENDED
        assert credentials_file.read_text() == IN_USE
        assert list(credentials_file.parent.iterdir()) == [credentials_file]

    @pytest.fixture
    def terminal(self) -> Iterator[tuple[int, int]]:
        user, command = os.openpty()
        yield user, command
        os.close(user)
        os.close(command)

    def waits(self, module: Path) -> None:
        """Write a module whose import takes until a signal comes."""
        module.write_text("import os\nos.write(2, b'at it')\nwhile True:\n    pass\n")


class TestPaste:
    """A terminal hands over line by line, and hands to the shell what is left."""

    @pytest.mark.parametrize("end", ["\n", ""])
    def test_whole_mail_is_taken_and_nothing_left_to_the_shell(self, end: str) -> None:
        """Lines of a mail would be run as commands, and the last one would stand before the next."""
        user, command = os.openpty()
        mail = f"You have a new key.\n\n  User: alice\n\n{BLOCK}\n\n  You need your old key\n\nrm -r important{end}"
        os.write(user, mail.encode())

        with os.fdopen(command, "rb") as stdin, os.fdopen(user, "wb"):
            done = subprocess.run(
                COMMAND,
                env={**os.environ, "CIPHER_TEXT": ""},
                stdin=stdin,
                capture_output=True,
                check=False,
                timeout=60,
            )
            tty.setcbreak(stdin.fileno(), termios.TCSANOW)  # shows what a line without an end has left
            left = select.select([stdin], [], [], 0)[0]

        assert (done.returncode, SECRET in done.stdout.decode(), left) == (0, True, [])

    def test_what_is_no_block_is_told_after_an_empty_line(self) -> None:
        user, command = os.openpty()
        os.write(user, b"AKIAFAKE00000000NEW1\n\n")

        with os.fdopen(command, "rb") as stdin, os.fdopen(user, "wb"):
            done = subprocess.run(
                COMMAND,
                env={**os.environ, "CIPHER_TEXT": ""},
                stdin=stdin,
                capture_output=True,
                check=False,
                timeout=60,
            )

        assert done.returncode == 1
        assert b"No encrypted block found" in done.stderr


class TestPipes:
    @pytest.fixture(autouse=True, params=["", "1"], ids=["buffered", "unbuffered"])
    def buffering(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """What cannot be written fails at once, or at the very end."""
        monkeypatch.setenv("PYTHONUNBUFFERED", request.param)

    @pytest.mark.parametrize("arguments", [[], ["--format", "env"], STORE])
    def test_reader_that_has_gone(self, arguments: list[str]) -> None:
        """As in `| head -0`: nobody is there to be told, but the exit code tells."""
        assert self.unheard(*arguments) == (1, b"")

    def test_help_that_nobody_reads(self) -> None:
        """Python's versions differ in whether argparse minds."""
        code, err = self.unheard("--help")

        assert code in {0, 1}
        assert err == b""

    def unheard(self, *arguments: str) -> tuple[int, bytes]:
        """Run the command with an output whose other end is closed; give exit code and standard error."""
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as stdout:
            done = subprocess.run([*COMMAND, *arguments], stdout=stdout, stderr=subprocess.PIPE, check=False)
        return done.returncode, done.stderr

    def test_pair_is_written_whether_or_not_anybody_listens(self, credentials_file: Path) -> None:
        shell("$RUN --profile work --no-check 2>&1 | :")

        assert decryption.present_credentials("work-previous", credentials_file)

    def test_full_disk_under_the_output(self) -> None:
        done = shell("$RUN --format env > /dev/full")

        assert (done.returncode, done.stderr) == (
            1,
            "decryption.py: the output could not be written (No space left on device): check where it goes.\n",
        )

    @pytest.mark.parametrize("arguments", ["--format env", "--profile work --no-check"])
    def test_closed_output(self, arguments: str, credentials_file: Path) -> None:
        """The pair would be lost, and seem to be delivered."""
        done = shell(f"$RUN {arguments} >&-")

        assert (done.returncode, done.stderr) == (
            1,
            "decryption.py: Standard output is closed: open it, since that is where the result goes.\n",
        )
        assert credentials_file.read_text() == IN_USE

    def test_closed_errors(self) -> None:
        """What is said beside the result must not get into what a shell evaluates."""
        with loopback_aws.serving() as aws:
            aws.owners[PAIR.access_key_id] = "arn:aws:iam::111122223333:user/alice"
            done = shell("$RUN --format env --check 2>&-", AWS_ENDPOINT_URL=aws.endpoint)

        assert (done.returncode, done.stdout) == (0, f"{decryption.as_env(PAIR)}\n")

    def test_closed_input(self) -> None:
        done = shell("$RUN <&-", CIPHER_TEXT="")

        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "no block given" in done.stderr


ASCII = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


class TestEncodings:
    """A terminal may know no letter beyond ASCII, and files have names all the same."""

    @pytest.mark.parametrize("terminal", [ASCII, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}])
    @pytest.mark.parametrize("name", [b"Schl\xc3\xbcssel.eml", b"Schl\xfcssel.eml", "鍵.eml".encode()])
    def test_file_whose_name_cannot_be_shown(self, terminal: dict[str, str], name: bytes, tmp_path: Path) -> None:
        (tmp_path / os.fsdecode(name)).write_bytes(b"Hello")
        for file, words in ((name, b"No encrypted block found"), (b"no-" + name, b"cannot be read (No such file")):
            done = subprocess.run(
                [*COMMAND, "--file", bytes(tmp_path) + b"/" + file],
                env={**os.environ, **terminal},
                capture_output=True,
                check=False,
            )

            assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
            assert words in done.stderr

    def test_block_that_holds_other_letters(self) -> None:
        """As those of the tool before this one may."""
        block = Fernet(KEY).encrypt("Schlüssel".encode()).decode()

        done = shell("$RUN", CIPHER_TEXT=block, **ASCII)

        assert (done.returncode, done.stdout, done.stderr) == (0, "Schl\\xfcssel\n", "")


REMEDY = "check who owns it and its folder, and the space on the disk."


class TestWriting:
    def test_disk_that_takes_no_more(self, credentials_file: Path) -> None:
        """The limit is the kernel's, as a full disk or a quota would be."""
        done = shell("ulimit -f 0; $RUN --profile work --no-check")

        assert (done.returncode, done.stdout, done.stderr) == (
            1,
            "",
            f"decryption.py: {credentials_file} cannot be written (File too large), and is as it was: {REMEDY}\n",
        )
        assert credentials_file.read_text() == IN_USE
        assert list(credentials_file.parent.iterdir()) == [credentials_file]

    @pytest.mark.parametrize(
        ("place", "reason"),
        [("/dev/null/credentials", "File exists"), ("/proc/credentials", "No such file or directory")],
    )
    def test_place_where_nothing_can_be_written(self, place: str, reason: str) -> None:
        done = shell("$RUN --profile work --no-check", AWS_SHARED_CREDENTIALS_FILE=place)

        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr == (f"decryption.py: {place} cannot be written ({reason}), and is as it was: {REMEDY}\n")

    def test_folder_in_place_of_the_file(self, credentials_file: Path) -> None:
        done = shell("$RUN --profile work --no-check", AWS_SHARED_CREDENTIALS_FILE=str(credentials_file.parent))

        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert f"{credentials_file.parent} cannot be read (Is a directory)" in done.stderr


def test_json_comes_through_a_pipe() -> None:
    done = shell("$RUN --format json | cat")

    assert json.loads(done.stdout)["secret_access_key"] == SECRET
