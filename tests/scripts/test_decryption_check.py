"""scripts/decryption.py --check: a pair that does not work must not take the place of one that does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from scripts import decryption
from scripts.decryption import KeyPair

ARN = "arn:aws:iam::111122223333:user/alice"
PAIR = KeyPair("alice", "AKIAFAKE00000000NEW1", "not-a-real-secret/new")
KEY = Fernet.generate_key()
BLOCK = Fernet(KEY).encrypt(decryption.as_json(PAIR).encode()).decode()
IN_USE = "[work]\naws_access_key_id = AKIAFAKE00000000OLD1\naws_secret_access_key = not-a-real-secret\n"

# Has AWS answer with these, one after the other and the last one for good; gives the access key ids it was asked with.
Answers = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def credentials_file(aws_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile in use, the key to the block at hand, and no patience."""
    monkeypatch.setenv("ENC_KEY", KEY.decode())
    monkeypatch.setattr(decryption, "PAUSE_SECONDS", 0)
    aws_environment.parent.mkdir()
    aws_environment.write_text(IN_USE)
    return aws_environment


@pytest.fixture
def aws_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """A server that stands for STS. An answer is an ARN, or the code of an error."""
    pending: list[str] = []
    asked: list[str] = []

    class Sts(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers["Authorization"].split("Credential=")[1].split("/")[0])
            answer = pending.pop(0) if len(pending) > 1 else pending[0]
            status, body = (200, IDENTITY) if answer.startswith("arn:") else (403, ERROR)
            content = body.format(answer, answer.split(":")[4] if answer.startswith("arn:") else "").encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def answers(*wanted: str) -> list[str]:
        pending.extend(wanted)
        return asked

    with ThreadingHTTPServer(("127.0.0.1", 0), Sts) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield answers
        server.shutdown()
        thread.join()


IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>{0}</Arn><UserId>AIDAFAKE00000000USER</UserId><Account>{1}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
ERROR = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{}</Code>'
    "<Message>The answer of AWS</Message></Error></ErrorResponse>"
)


def test_the_pair_itself_is_asked_with(
    aws_answers: Answers,
    credentials_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And then the key that it replaces; not a session that is left over in the environment."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "not-a-real-token")
    asked = aws_answers(ARN)

    code = decryption.main(["--aws-profile", "work", "--profile", "work", BLOCK])

    assert code == 0
    assert asked == [PAIR.access_key_id, "AKIAFAKE00000000OLD1"]
    assert ARN in capsys.readouterr().err
    assert PAIR.access_key_id in credentials_file.read_text()


def test_iams_delay_is_waited_out(
    aws_answers: Answers, credentials_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new key is refused at first; the user learns once that this is being waited for."""
    asked = aws_answers("InvalidClientTokenId", "InvalidClientTokenId", ARN)

    code = decryption.main(["--profile", "work", BLOCK])

    assert code == 0
    assert asked.count(PAIR.access_key_id) == 3
    assert capsys.readouterr().err.count("does not know") == 1
    assert PAIR.access_key_id in credentials_file.read_text()


def test_the_wait_has_an_end(
    aws_answers: Answers, credentials_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the pair that works is still where it was."""
    monkeypatch.setattr(decryption, "CHECK_SECONDS", 0)
    aws_answers("InvalidClientTokenId")

    code = decryption.main(["--profile", "work", BLOCK])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert "InvalidClientTokenId" in err
    assert "newest mail" in err
    assert credentials_file.read_text() == IN_USE


def test_another_refusal_is_not_waited_out(
    aws_answers: Answers, credentials_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = aws_answers("SignatureDoesNotMatch")

    code = decryption.main(["--profile", "work", BLOCK])

    assert code == 1
    assert len(asked) == 1
    assert "SignatureDoesNotMatch" in capsys.readouterr().err
    assert credentials_file.read_text() == IN_USE


def test_without_a_way_to_aws_nothing_is_written(
    credentials_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remedy is in the message: the user may take the pair unchecked."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")

    code = decryption.main(["--profile", "work", BLOCK])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert "--no-check" in err
    assert PAIR.secret_access_key not in err
    assert credentials_file.read_text() == IN_USE


def test_a_pair_can_be_checked_without_being_written(aws_answers: Answers, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed for a shell or a program stays free of the remark."""
    aws_answers(ARN)

    code = decryption.main(["--check", "--format", "json", BLOCK])

    out, err = capsys.readouterr()
    assert (code, out) == (0, decryption.as_json(PAIR) + "\n")
    assert ARN in err


def test_a_pair_that_is_only_shown_is_not_checked(aws_answers: Answers) -> None:
    asked = aws_answers(ARN)

    code = decryption.main([BLOCK])

    assert (code, asked) == (0, [])


class TestWhoseItIs:
    """A forged block could put somebody else's key into a profile, and everything that is done with it elsewhere."""

    @pytest.mark.parametrize(
        ("new", "old"),
        [
            pytest.param("arn:aws:iam::999988887777:user/alice", ARN, id="another account"),
            pytest.param("arn:aws:iam::111122223333:user/eve", ARN, id="another user than the block's"),
            pytest.param(ARN, "arn:aws:iam::111122223333:user/bob", id="another user than the profile's"),
            pytest.param(ARN, "arn:aws:iam::999988887777:user/alice", id="another account than the profile's"),
            pytest.param(ARN, "arn:aws:sts::111122223333:assumed-role/alice/alice", id="the profile of a role"),
            pytest.param("arn:aws:iam::111122223333:root", ARN, id="an account's root"),
        ],
    )
    def test_key_of_somebody_else_takes_no_profile(
        self,
        new: str,
        old: str,
        aws_answers: Answers,
        credentials_file: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        aws_answers(new, old)

        code = decryption.main(["--profile", "work", BLOCK])

        out, err = capsys.readouterr()
        assert (code, out) == (1, "")
        assert new in err
        assert old in err or "the block is for the user alice" in err
        assert "--allow-other-user" in err
        assert credentials_file.read_text() == IN_USE

    def test_who_knows_that_it_is_meant_may_take_it(self, aws_answers: Answers, credentials_file: Path) -> None:
        asked = aws_answers("arn:aws:iam::999988887777:user/eve")

        code = decryption.main(["--profile", "work", "--allow-other-user", BLOCK])

        assert (code, asked) == (0, [PAIR.access_key_id])
        assert PAIR.access_key_id in credentials_file.read_text()

    @pytest.mark.parametrize(
        ("new", "old"),
        [
            ("arn:aws:iam::111122223333:user/staff/eu/alice", ARN),
            ("arn:aws:iam::111122223333:user/Alice", "arn:aws:iam::111122223333:user/former/ALICE"),
        ],
    )
    def test_neither_paths_nor_case_make_another_user(
        self, new: str, old: str, aws_answers: Answers, credentials_file: Path
    ) -> None:
        """IAM has one user of a name, however it is spelled and wherever it has been moved."""
        aws_answers(new, old)

        assert decryption.main(["--profile", "work", BLOCK]) == 0
        assert PAIR.access_key_id in credentials_file.read_text()

    @pytest.mark.parametrize("refusal", ["InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"])
    def test_old_key_that_no_longer_works_is_told_and_keeps_nobody_out(
        self, refusal: str, aws_answers: Answers, credentials_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Whose it was AWS no longer says, and waiting would not help. It is kept as a profile of its own."""
        asked = aws_answers(ARN, refusal)

        code = decryption.main(["--profile", "work", BLOCK])

        err = capsys.readouterr().err
        assert (code, asked) == (0, [PAIR.access_key_id, "AKIAFAKE00000000OLD1"])
        assert f"AWS does not accept AKIAFAKE00000000OLD1, the key in the profile work ({refusal})" in err
        assert "[work-previous]\naws_access_key_id = AKIAFAKE00000000OLD1" in credentials_file.read_text()

    @pytest.mark.parametrize("heading", ["profile work", 'profile "work"'])
    def test_key_in_the_config_file_is_the_profiles(
        self, heading: str, aws_answers: Answers, credentials_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """AWS tools use it, unless the credentials file has one."""
        credentials_file.with_name("config").write_text(IN_USE.replace("work", heading).replace("OLD1", "OLD2"))
        credentials_file.write_text("[work]\nregion = eu-central-1\n")
        asked = aws_answers(ARN, "arn:aws:iam::111122223333:user/bob")

        code = decryption.main(["--profile", "work", BLOCK])

        assert (code, asked[:2]) == (1, [PAIR.access_key_id, "AKIAFAKE00000000OLD2"])
        assert "the key in the profile work to arn:aws:iam::111122223333:user/bob" in capsys.readouterr().err

    def test_key_in_the_credentials_file_goes_first(self, aws_answers: Answers, credentials_file: Path) -> None:
        credentials_file.with_name("config").write_text(IN_USE.replace("work", "profile work").replace("OLD1", "OLD2"))
        asked = aws_answers(ARN)

        assert decryption.main(["--profile", "work", BLOCK]) == 0
        assert asked == [PAIR.access_key_id, "AKIAFAKE00000000OLD1"]

    @pytest.mark.parametrize(
        "present", ["", "[work]\nregion = x\n", "[work]\naws_access_key_id = AKIAFAKE00000000OLD1\n"]
    )
    def test_profile_without_a_pair_is_compared_with_nothing(
        self, present: str, aws_answers: Answers, credentials_file: Path
    ) -> None:
        credentials_file.write_text(present)
        asked = aws_answers(ARN)

        assert decryption.main(["--profile", "work", BLOCK]) == 0
        assert asked == [PAIR.access_key_id]

    def test_account_is_that_in_which_the_key_to_the_block_was_found(
        self, aws_answers: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The service keeps it where the user is; so a new profile is guarded, too."""
        found = decryption.Key(KEY.decode(), "/ikr/secret/iam/alice", account="111122223333")
        monkeypatch.setattr(decryption, "find_key", lambda *_: found)
        aws_answers("arn:aws:iam::999988887777:user/alice")

        code = decryption.main(["--profile", "new", BLOCK])

        assert code == 1
        assert "999988887777:user/alice, and the block is for the user alice in account 111122223333" in (
            capsys.readouterr().err
        )

    def test_pair_that_is_only_printed_is_compared_with_its_block(
        self, aws_answers: Answers, capsys: pytest.CaptureFixture[str]
    ) -> None:
        aws_answers("arn:aws:iam::111122223333:user/eve")

        code = decryption.main(["--check", "--format", "env", BLOCK])

        assert (code, capsys.readouterr().out) == (1, "")

    def test_unchecked_nobody_is_asked(self, aws_answers: Answers) -> None:
        asked = aws_answers("arn:aws:iam::999988887777:user/eve")

        assert decryption.main(["--profile", "work", "--no-check", BLOCK]) == 0
        assert asked == []
