"""scripts/decryption.py: from the block in the mail to a key pair in the user's hands."""

from __future__ import annotations

import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from functions.common.keys import KeyPair
from functions.common.parameters import parameter_name
from functions.common.secrets import SecretStore
from functions.mail.message import compose
from functions.mail.notices import NewKey
from scripts import decryption
from scripts.sample_mails import NOTICES, ORGANISATION, RECIPIENT

SCRIPT = Path(decryption.__file__)
SECRET = "not-a-real-secret/but+as=odd"
NEW_KEY = "AKIAFAKE00000000NEW1"
KEY = Fernet.generate_key().decode()
BLOCK = (
    Fernet(KEY)
    .encrypt(json.dumps({"user": "alice", "access_key_id": NEW_KEY, "secret_access_key": SECRET}).encode())
    .decode()
)

Run = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process; the answer is exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = decryption.main(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def enc_key(aws_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del aws_environment
    monkeypatch.setenv("ENC_KEY", KEY)


def assert_mishap(answer: tuple[int, str, str], *names: str) -> None:
    """The command failed with one line that names the things, and gave nothing away."""
    code, out, err = answer
    assert code == 1
    assert out == ""
    assert err.count("\n") == 1
    for name in names:
        assert name in err
    assert SECRET not in err
    assert KEY not in err


@pytest.mark.usefixtures("enc_key")
class TestWhereTheBlockComesFrom:
    def test_argument(self, run: Run) -> None:
        code, out, _ = run(BLOCK)

        assert code == 0
        assert SECRET in out

    def test_file(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "block.txt"
        file.write_text(BLOCK)

        assert SECRET in run("--file", str(file))[1]

    @pytest.mark.parametrize("arguments", [(), ("--file", "-")])
    def test_standard_input(self, arguments: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(BLOCK))

        assert SECRET in run(*arguments)[1]

    def test_cipher_text(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Key and block from the environment need neither AWS nor an argument."""
        monkeypatch.setenv("CIPHER_TEXT", BLOCK)

        assert SECRET in run()[1]

    @pytest.mark.parametrize(
        "mangled",
        [
            f"\n\n  {BLOCK}\r\n",
            "\r\n".join(BLOCK[i : i + 60] for i in range(0, len(BLOCK), 60)),
            "\n".join(f"> {BLOCK[i : i + 40]}" for i in range(0, len(BLOCK), 40)),
            "\n".join(f" >> > {BLOCK[i : i + 40]} " for i in range(0, len(BLOCK), 40)),
            BLOCK[:30] + " \t" + BLOCK[30:],
        ],
        ids=["surrounded by blanks", "wrapped", "quoted", "quoted twice", "blank inside"],
    )
    def test_what_mail_programs_do_to_a_block(self, mangled: str, run: Run) -> None:
        assert SECRET in run(mangled)[1]

    def test_a_missing_file_is_named(self, run: Run) -> None:
        assert_mishap(run("--file", "/nowhere/block.txt"), "/nowhere/block.txt", "--file")

    def test_no_block_at_all_is_a_usage_error(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))

        with pytest.raises(SystemExit) as stopped:
            run()

        assert stopped.value.code == 2


class TestWithoutATraceInTheHistory:
    """A shell keeps what is typed into a command. The block is half of a secret, its key the other."""

    @pytest.fixture
    def terminal(self) -> Iterator[tuple[int, int]]:
        """The two ends of a terminal: that of the user, and that of the command."""
        user, command = os.openpty()
        yield user, command
        os.close(user)
        os.close(command)

    @pytest.mark.parametrize(
        "pasted",
        [
            f"{BLOCK}\n",
            "\n".join(f"> {BLOCK[i : i + 60]}" for i in range(0, len(BLOCK), 60)) + "\n",
            f"\n\n  {BLOCK}\n",
        ],
        ids=["one line", "wrapped and quoted", "after empty lines"],
    )
    def test_the_block_is_asked_for_and_ends_with_itself(self, pasted: str, terminal: tuple[int, int]) -> None:
        user, command = terminal

        done = self.start(command, user, pasted, ENC_KEY=KEY)

        assert done.returncode == 0, done.stderr
        assert "Paste the encrypted block" in done.stderr
        assert SECRET in done.stdout
        assert "Paste" not in done.stdout, "which a shell may evaluate"

    def test_an_empty_line_ends_what_is_cut_off(self, terminal: tuple[int, int]) -> None:
        """Nobody should have to know which key ends an input."""
        user, command = terminal

        done = self.start(command, user, f"{BLOCK[:50]}\n\n", ENC_KEY=KEY)

        assert done.returncode == 1
        assert "damaged or cut off" in done.stderr

    def test_its_key_can_be_typed(self, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        file = tmp_path / "block.txt"
        file.write_text(BLOCK)
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr("getpass.getpass", lambda *_: f" {KEY}\n")

        code, out, err = run("--ask-key", "--file", str(file))

        assert (code, err) == (0, "")
        assert SECRET in out

    def test_nobody_is_asked_where_nobody_is(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))

        assert_mishap(run("--ask-key", BLOCK), "ENC_KEY")

    def test_who_gives_up_gets_no_trace(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(decryption, "read_text", interrupt)

        assert run() == (130, "", "Interrupted.\n")

    def test_what_is_documented_has_no_half_of_a_secret_in_a_command(self) -> None:
        """The README, the help and the mail are what people copy."""
        notice = next(notice for notice in NOTICES.values() if isinstance(notice, NewKey) and notice.sealed)
        mail = compose(notice, RECIPIENT, ORGANISATION)
        readme = (SCRIPT.parents[1] / "README.md").read_text(encoding="utf-8")
        texts = [mail.text, html.unescape(re.sub(r"<[^>]*>", "\n", mail.html)), readme, decryption.EXAMPLES]
        commands = [line for text in texts for line in text.splitlines() if "decryption.py --" in line]

        assert len(commands) >= 7
        assert [line for line in commands if re.search(r"gAAAA|ENC_KEY=|CIPHER_TEXT=", line)] == []

    def start(self, command: int, user: int, typed: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command on a terminal, and type."""
        os.write(user, typed.encode())
        return subprocess.run(
            [sys.executable, str(SCRIPT)],
            env={**os.environ, **environment},
            stdin=command,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


class Terminal(io.StringIO):
    """Standard input, with somebody there."""

    def isatty(self) -> bool:
        return True


HOSTILE = ["\x1b]0;owned\x07", "\x1b[2J", "\r", "\x08", "\x9b31m", "\u202e", "\u2066", "\u200b", "\n"]


@pytest.mark.usefixtures("enc_key")
class TestWhatATerminalWouldObey:
    """Whoever can seal a block could else write what they like over the screen of who opens it."""

    @pytest.mark.parametrize("hostile", HOSTILE)
    @pytest.mark.parametrize("field", ["user", "access_key_id", "secret_access_key", ""])
    @pytest.mark.parametrize("options", [(), ("--format", "env"), ("--format", "json"), ("--profile", "work")])
    def test_a_block_is_shown_and_not_obeyed(
        self, hostile: str, field: str, options: tuple[str, ...], run: Run, aws_environment: Path
    ) -> None:
        pair = {"user": "alice", "access_key_id": NEW_KEY, "secret_access_key": SECRET}
        if field:
            pair[field] = f"{hostile}{pair[field]}"
        plaintext = json.dumps(pair, ensure_ascii=False) if field else f"{hostile}some value"

        code, out, err = run(*options, Fernet(KEY).encrypt(plaintext.encode()).decode())

        assert code == (1 if options else 0)
        assert (out + err).count("\n") == 1
        assert (out + err).removesuffix("\n").isprintable()
        assert not aws_environment.exists()

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_no_complaint_is_obeyed(self, hostile: str, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "block.txt"
        file.write_text(f"gAAAA{hostile}%{hostile}", newline="")

        answers = [run(f"gAAAA{hostile}%"), run("--file", str(file)), run("--file", f"/nowhere/{hostile}")]

        assert [code for code, _, _ in answers] == [1, 1, 1]
        assert [err for _, _, err in answers if not err.removesuffix("\n").isprintable()] == []

    def test_what_aws_says_is_not_obeyed(self, run: Run, aws_says: Callable[[str], None]) -> None:
        aws_says("Odd\x1b[2J")

        code, _, err = run("--parameter", "/ikr/secret/iam/alice", BLOCK)

        assert code == 1
        assert "\\x1b[2J" in err


class TestWhatCannotBeOpened:
    @pytest.mark.usefixtures("enc_key")
    @pytest.mark.parametrize(
        "damaged",
        [BLOCK[:-7], "gAAAAA"],
        ids=["end missing", "a mere beginning"],
    )
    def test_a_cut_block(self, damaged: str, run: Run) -> None:
        assert_mishap(run(damaged), "damaged or cut off", "copy all of it")

    @pytest.mark.usefixtures("enc_key")
    @pytest.mark.parametrize("other", [BLOCK[10:], NEW_KEY], ids=["beginning missing", "something else"])
    def test_what_does_not_begin_as_a_block(self, other: str, run: Run) -> None:
        assert_mishap(run(other), "No encrypted block found", "copy it from the mail")

    @pytest.mark.usefixtures("enc_key")
    def test_a_changed_block(self, run: Run) -> None:
        changed = BLOCK[:60] + ("A" if BLOCK[60] != "A" else "B") + BLOCK[61:]

        assert_mishap(run(changed), "does not open this block", "newest mail")

    @pytest.mark.usefixtures("enc_key")
    def test_more_than_the_block(self, run: Run) -> None:
        """What was copied with it does no harm."""
        assert SECRET in run(f"The block: {BLOCK} (all of it)")[1]

    def test_the_key_of_another_block(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ENC_KEY", Fernet.generate_key().decode())

        assert_mishap(run(BLOCK), "ENC_KEY", "does not open this block")

    @pytest.mark.parametrize(
        "key", ["secret", "ключ", KEY[:-5], "="], ids=["a word", "no ASCII", "cut off", "empty base64"]
    )
    def test_a_key_that_is_none(self, key: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ENC_KEY", key)

        assert_mishap(run(BLOCK), "ENC_KEY", "does not hold an encryption key")


class TestBlocksOfTheToolBefore:
    """It mailed access key id and secret as two tokens, each a bare text."""

    @pytest.mark.usefixtures("enc_key")
    @pytest.mark.parametrize("plaintext", [NEW_KEY, SECRET, "12345", '{"user": 1}', "[]"])
    def test_the_plain_text_is_shown_as_it_is(self, plaintext: str, run: Run) -> None:
        block = Fernet(KEY).encrypt(plaintext.encode()).decode()

        assert run(block) == (0, f"{plaintext}\n", "")

    @pytest.mark.usefixtures("enc_key")
    @pytest.mark.parametrize("options", [("--profile", "work"), ("--format", "env"), ("--format", "json")])
    def test_it_cannot_pass_for_a_pair(self, options: tuple[str, str], run: Run, aws_environment: Path) -> None:
        block = Fernet(KEY).encrypt(SECRET.encode()).decode()

        assert_mishap(run(*options, block), "--profile", "--format")
        assert not aws_environment.exists()


class TestTheKeyFromParameterStore:
    @pytest.mark.usefixtures("aws")
    @pytest.mark.parametrize("name", ["alice", "a.li_ce-9", "alice@example.com", "a+b=c,d"])
    def test_a_user_needs_to_name_nothing(self, name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the service seals for a user, that user opens with the old access key and the block alone."""
        iam = boto3.client("iam")
        user = iam.create_user(UserName=name, Path="/staff/")["User"]
        old = iam.create_access_key(UserName=name)["AccessKey"]
        pair = KeyPair(id=NEW_KEY, secret=SECRET, created_at=datetime(2030, 1, 1, tzinfo=UTC))
        sealed = SecretStore(boto3.client("ssm")).prepare(name, user["UserId"], "an-attempt").close(name, pair)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", old["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", old["SecretAccessKey"])

        code, out, _ = run("--format", "json", sealed.block)

        assert code == 0
        assert json.loads(out) == {"user": name, "access_key_id": NEW_KEY, "secret_access_key": SECRET}

    @pytest.mark.usefixtures("aws", "enc_key")
    def test_a_named_parameter_in_a_named_region_goes_before_everything(self, run: Run) -> None:
        other_key = Fernet.generate_key().decode()
        ssm = boto3.client("ssm", region_name="ap-south-1")
        ssm.put_parameter(Name="/ikr/secret/iam/carol", Value=f"{other_key}\n", Type="SecureString")
        block = Fernet(other_key).encrypt(SECRET.encode()).decode()

        code, out, _ = run("--parameter", "/ikr/secret/iam/carol", "--region", "ap-south-1", block)

        assert (code, out) == (0, f"{SECRET}\n")

    @pytest.mark.usefixtures("aws")
    def test_no_region(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")

        assert_mishap(run(BLOCK), "--region")

    def test_no_credentials(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

        assert_mishap(run(BLOCK), "No AWS credentials", "aws configure")

    def test_an_unknown_profile(self, run: Run) -> None:
        assert_mishap(run("--aws-profile", "nobodys", BLOCK), "nobodys")

    @pytest.mark.parametrize(
        ("code", "names"),
        [
            ("AccessDeniedException", ("/ikr/secret/iam/alice", "decrypt policy")),
            ("ExpiredTokenException", ("expired", "log in again")),
            ("UnrecognizedClientException", ("does not accept your credentials", "aws configure")),
            ("InvalidSignatureException", ("does not accept your credentials", "aws configure")),
            ("InternalServerError", ("/ikr/secret/iam/alice", "InternalServerError")),
        ],
    )
    def test_what_aws_refuses(
        self, code: str, names: tuple[str, ...], run: Run, aws_says: Callable[[str], None]
    ) -> None:
        aws_says(code)

        assert_mishap(run("--parameter", "/ikr/secret/iam/alice", BLOCK), *names)

    def test_an_endpoint_that_does_not_answer(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

        assert_mishap(run(BLOCK), "http://127.0.0.1:1")


@pytest.fixture
def aws_says(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A server that answers every call of SSM with one error, given by its code."""
    code = ""

    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps({"__type": code, "message": "The answer\nof AWS"}).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def say(what: str) -> None:
        nonlocal code
        code = what

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield say
        server.shutdown()
        thread.join()


class TestOwnParameter:
    """SSM refuses names that moto and MiniStack accept, so the rule stands here on its own."""

    @given(st.from_regex(r"[A-Za-z0-9+=,.@_-]{1,64}", fullmatch=True))
    def test_ssm_takes_the_parameter_of_every_possible_user(self, name: str) -> None:
        parameter = decryption.own_parameter(f"arn:aws:iam::111122223333:user/a/b/{name}", "AIDAFAKE00000000USER")

        assert set(parameter) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/")

    @given(st.from_regex(r"[A-Za-z0-9+=,.@_-]{1,64}", fullmatch=True))
    def test_the_service_stores_it_there(self, name: str) -> None:
        """The rule is written twice, since the script stands alone; the two must not part."""
        arn = f"arn:aws-cn:iam::111122223333:user/{name}"

        assert decryption.own_parameter(arn, "AIDAFAKE00000000USER") == parameter_name(name, "AIDAFAKE00000000USER")

    @pytest.mark.parametrize(
        "arn",
        [
            "arn:aws:sts::111122223333:assumed-role/admin/alice",
            "arn:aws:sts::111122223333:federated-user/alice",
            "arn:aws:iam::111122223333:root",
        ],
    )
    def test_who_is_no_user_must_name_the_parameter(self, arn: str) -> None:
        with pytest.raises(decryption.Mishap, match="--parameter") as mishap:
            decryption.own_parameter(arn, "AROAFAKE00000000ROLE:alice")

        assert arn in str(mishap.value)


@pytest.mark.usefixtures("enc_key")
class TestFormats:
    def test_text_has_each_value_at_the_end_of_a_line(self, run: Run) -> None:
        _, out, err = run(BLOCK)

        assert [line.split()[-1] for line in out.splitlines()] == ["alice", NEW_KEY, SECRET]
        assert err == ""

    def test_env_can_be_evaluated_by_a_shell(self, run: Run) -> None:
        """Whatever characters the secret has, and whatever session was there before."""
        _, out, _ = run("--format", "env", BLOCK)

        shown = subprocess.run(
            ["/bin/sh", "-c", f'{out}\necho "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY ${{AWS_SESSION_TOKEN-none}}"'],
            env={"AWS_SESSION_TOKEN": "left over"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout == f"{NEW_KEY} {SECRET} none\n"

    @pytest.mark.parametrize(
        ("secret", "written"),
        [(SECRET, f"'{SECRET}'"), ("it's$(not)`a-real`-secret", "'it''s$(not)`a-real`-secret'")],
    )
    def test_powershell_reads_nothing_into_it(self, secret: str, written: str) -> None:
        """Between single quotes, a doubled quote is all that means something; not so a dollar or a backtick."""
        pair = decryption.KeyPair("alice", NEW_KEY, secret)

        assert decryption.as_powershell(pair) == (
            f"$env:AWS_ACCESS_KEY_ID = '{NEW_KEY}'\n"
            f"$env:AWS_SECRET_ACCESS_KEY = {written}\n"
            "Remove-Item Env:AWS_SESSION_TOKEN -ErrorAction SilentlyContinue"
        )

    def test_powershell_is_a_format(self, run: Run) -> None:
        assert run("--format", "powershell", BLOCK)[1].startswith(f"$env:AWS_ACCESS_KEY_ID = '{NEW_KEY}'\n")

    def test_json_is_what_was_sealed(self, run: Run) -> None:
        _, out, _ = run("--format", "json", BLOCK)

        assert json.loads(out) == {"user": "alice", "access_key_id": NEW_KEY, "secret_access_key": SECRET}


class TestStandsAlone:
    """A user may have this one file, one library, and a shell."""

    @pytest.fixture
    def alone(self, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
        script = shutil.copy(SCRIPT, tmp_path / "decryption.py")

        def run(*arguments: str, without: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
            if without:
                (tmp_path / f"{without}.py").write_text(f"raise ImportError({without!r})")
            return subprocess.run(
                [sys.executable, script, *arguments],
                cwd="/",
                env={**os.environ, "PYTHONPATH": str(tmp_path), **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )

        return run

    def test_offline_it_does_without_boto3(self, alone: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        done = alone(without="boto3", ENC_KEY=KEY, CIPHER_TEXT=BLOCK)

        assert (done.returncode, done.stderr) == (0, "")
        assert SECRET in done.stdout

    @pytest.mark.parametrize("library", ["boto3", "cryptography"])
    def test_a_missing_library_is_named(
        self, library: str, alone: Callable[..., subprocess.CompletedProcess[str]]
    ) -> None:
        """With the ways that work where pip refuses to install (PEP 668), as on Debian, Ubuntu and with Homebrew."""
        done = alone(BLOCK, without=library)

        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"decryption.py: it needs the Python libraries boto3 and cryptography ({library}). Run it with uv, which "
            "installs them:\n"
            "  uv run decryption.py ...\n"
            "or in a virtual environment:\n"
            "  python3 -m venv venv\n"
            "  venv/bin/python -m pip install boto3 cryptography\n"
            "  venv/bin/python decryption.py ...\n"
        )

    def test_help(self, alone: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        done = alone("--help", COLUMNS="80")

        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
        for option in (
            "--file",
            "--parameter",
            "--region",
            "--aws-profile",
            "--format",
            "--profile",
            "--ask-key",
            "--allow-other-user",
            "--account",
            "--delete-previous",
            "ENC_KEY",
        ):
            assert option in done.stdout


NEEDS_A_NAME = "--delete-previous needs --profile NAME, to delete NAME-previous"
MISUNDERSTOOD = {
    ("--fiel", "mail.eml"): "there is no option --fiel, did you mean --file?",
    ("--regoin", "eu-central-1", "--file", "mail.eml"): "there is no option --regoin, did you mean --region?",
    ("--profil=default", "--aws_profile=x"): "there is no option --aws_profile, did you mean --aws-profile?",
    ("--nonsense",): "there is no option --nonsense",
    ("--profile",): "argument --profile: expected one argument",
    (
        "--profile",
        "a b]",
    ): "argument --profile: 'a b]' cannot name a profile: use letters, digits and _ . @ + = , : / -",
    ("--profile", "x", "--format", "env"): "argument --format: not allowed with argument --profile",
    ("--account", "1111"): "argument --account: '1111' is not an AWS account ID, which has 12 digits",
    ("--account", "alice\x1b[2J"): r"argument --account: 'alice\x1b[2J' is not an AWS account ID, which has 12 digits",
    ("--file", "-", BLOCK): "argument block: not allowed with argument --file",
    (BLOCK, "default"): "unrecognized arguments: default",
    ("--delete-previous",): NEEDS_A_NAME,
    (): "no block given: paste it when asked, or name a saved mail with --file",
}


@pytest.mark.usefixtures("enc_key")
@pytest.mark.parametrize("arguments", MISUNDERSTOOD)
def test_command_that_is_not_understood_gets_one_line(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    with pytest.raises(SystemExit) as stopped:
        decryption.main(arguments)

    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert err == f"decryption.py: {MISUNDERSTOOD[arguments]} (see --help)\n"


@pytest.mark.usefixtures("enc_key")
def test_format_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Python's versions quote the choices each in their own way."""
    with pytest.raises(SystemExit) as stopped:
        decryption.main(["--format", "powershel", BLOCK])

    err = capsys.readouterr().err
    assert (stopped.value.code, err.count("\n")) == (2, 1)
    assert "invalid choice: 'powershel'" in err
    assert "powershell" in err.replace("'powershel'", "")
