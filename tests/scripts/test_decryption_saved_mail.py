"""scripts/decryption.py --file: a block is found in a mail, whatever saved, wrapped, quoted or encoded it."""

from __future__ import annotations

import base64
import io
import json
import quopri
import sys
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from scripts import decryption

KEY = Fernet.generate_key()
SECRET = "not-a-real-secret/but+as=odd"
MARCH = 1_898_683_200  # 2 March 2030, 12:00 UTC


def sealed(user: str = "alice", *, at: int = MARCH) -> str:
    """Seal a pair as the rotator does; user names of different lengths give blocks with and without padding."""
    pair = {"user": user, "access_key_id": "AKIAFAKE00000000NEW1", "secret_access_key": SECRET}
    return Fernet(KEY).encrypt_at_time(json.dumps(pair).encode(), at).decode()


BLOCK = sealed()
UNPADDED = sealed("alice" * 5)
TEXT = """\
You have a new AWS access key.

  User:               alice

uv run decryption.py --profile default

   It asks for the encrypted key pair, which is this:

{block}

   You need your old key for that; Jürgen says so, too.

--
Sent by iam-key-rotator
"""
HTML = """\
<!DOCTYPE html><html><head><style>p > b { color: red }</style></head><body><p>Run this:</p>
<div class="code" style="word-break: break-all;">%s</div><p>You need your old key</p></body></html>
"""


def lines(block: str, width: int) -> list[str]:
    return [block[i : i + width] for i in range(0, len(block), width)]


def mail(text: str | None, html: str | None = None, *, encoding: str = "quoted-printable") -> bytes:
    """Write a mail as mail programs save it."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = "Action needed by 8 March: switch to your new AWS access key"
    message["From"] = "Key rotation <rotation@example.com>"
    if text is not None:
        message.set_content(text, cte=encoding)
    if html is not None:
        (message.add_alternative if text is not None else message.set_content)(html, subtype="html", cte=encoding)
    return message.as_bytes()


def forwarded() -> bytes:
    outer = EmailMessage(policy=SMTP)
    outer["Subject"] = "Fwd: the new key"
    outer.set_content("See below.")
    inner = EmailMessage(policy=SMTP)
    inner["Subject"] = "the new key"
    inner.set_content(TEXT.format(block=BLOCK), cte="base64")
    outer.add_attachment(inner)
    return outer.as_bytes()


PLAIN = TEXT.format(block=BLOCK)
PAGE = HTML % BLOCK
SAVED = {
    "the block alone": BLOCK.encode(),
    "text": PLAIN.encode(),
    "text with Windows line ends": PLAIN.replace("\n", "\r\n").encode(),
    "UTF-8 with BOM": PLAIN.encode("utf-8-sig"),
    "UTF-16 with BOM": PLAIN.encode("utf-16"),
    "UTF-16, little end first, without BOM": PLAIN.encode("utf-16-le"),
    "UTF-16, big end first, with BOM": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "Latin-1": PLAIN.encode("latin-1"),
    "wrapped": TEXT.format(block="\n".join(lines(BLOCK, 76))).encode(),
    # After three lines of 68 characters, what is there has the frame of a whole block.
    "wrapped where a part looks whole": TEXT.format(block="\n".join(lines(UNPADDED, 68))).encode(),
    "no padding, and a word below": f"{UNPADDED}\nRegards\nAlice\n".encode(),
    "wrapped with empty lines between": TEXT.format(block="\n\n".join(lines(BLOCK, 60))).encode(),
    "quoted": "".join(f"> {line}\n" for line in TEXT.format(block="\n".join(lines(BLOCK, 60))).splitlines()).encode(),
    "quoted thrice, unevenly": TEXT.format(block="\n>>> ".join(["", *lines(BLOCK, 70)])).encode(),
    "quoted with blanks at the ends": TEXT.format(block=" \n > > ".join(["", *lines(BLOCK, 40), ""])).encode(),
    "twice the same": f"{PLAIN}\n{PLAIN}".encode(),
    "twice without a gap": (BLOCK + BLOCK).encode(),
    "cut first, then whole": f"{BLOCK[:90]}\n\n{PLAIN}".encode(),
    "within a line": f"the block ({BLOCK}), see?".encode(),
    "with invisible characters": "\u00ad\u200b\u2060\ufeff".join(lines(BLOCK, 10)).encode(),
    "mail, quoted-printable": mail(PLAIN, PAGE),
    "mail, base64": mail(PLAIN, PAGE, encoding="base64"),
    "mail of HTML alone": mail(None, PAGE),
    "mail of HTML alone, base64": mail(None, HTML % "<wbr>".join(lines(BLOCK, 30)), encoding="base64"),
    "mail whose text has only a part": mail(TEXT.format(block=BLOCK[:50]), PAGE),
    "mail of HTML with breaks": mail(None, HTML % "<br>\n".join(lines(BLOCK, 30))),
    "mail of HTML with chances to wrap": mail(None, HTML % "<wbr>".join(lines(BLOCK, 30)).replace("=", "&#61;")),
    "mail that was forwarded as an attachment": forwarded(),
    "mail in a mailbox file": b"From rotation@example.com Sat Mar  2 12:00:00 2030\r\n" + mail(PLAIN, PAGE),
    "source of a mail without its head": quopri.encodestring(PLAIN.encode()),
    "page": PAGE.encode(),
    "page in UTF-16": PAGE.encode("utf-16"),
}


@pytest.fixture(autouse=True)
def enc_key(aws_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del aws_environment
    monkeypatch.setenv("ENC_KEY", KEY.decode())


@pytest.mark.parametrize("saved", SAVED)
class TestWhereverItIs:
    def test_in_a_file(self, saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "mail"
        file.write_bytes(SAVED[saved])

        code = decryption.main(["--file", str(file)])

        assert (code, SECRET in capsys.readouterr().out) == (0, True)

    def test_on_standard_input(
        self, saved: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The same forms, whatever encoding the terminal has."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SAVED[saved]), encoding="ascii"))

        code = decryption.main([])

        assert (code, SECRET in capsys.readouterr().out) == (0, True)


@given(st.integers(1, 30), st.integers(17, 120), st.sampled_from(["", "> ", ">> ", "\t", "  > >"]))
def test_no_width_of_lines_and_no_length_of_block_matters(length: int, width: int, mark: str) -> None:
    block = sealed("a" * length)
    text = TEXT.format(block="\n".join(lines(block, width)))

    assert decryption.find_block("\n".join(f"{mark}{line}" for line in text.splitlines())) == block


@given(st.integers(1, 30), st.integers(1, 15))
def test_block_that_lost_its_last_characters_is_called_cut(length: int, cut: int) -> None:
    """Whoever selects it with the mouse easily misses some."""
    block = sealed("a" * length)

    with pytest.raises(decryption.Mishap, match="damaged or cut off"):
        decryption.find_block(TEXT.format(block=block[:-cut]))


class TestWhereItIsNot:
    @pytest.fixture
    def told(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[bytes], str]:
        """Hand the command a file; give its one line, with MAIL for the file's path."""
        file = tmp_path / "mail"

        def told(content: bytes) -> str:
            file.write_bytes(content)
            code = decryption.main(["--file", str(file)])
            out, err = capsys.readouterr()
            assert (code, out, err.count("\n")) == (1, "", 1)
            return err.removeprefix("decryption.py: ").rstrip("\n").replace(str(file), "MAIL")

        return told

    def test_outlook(self, told: Callable[[bytes], str]) -> None:
        content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500 + BLOCK.encode("utf-16-le")

        assert told(content) == (
            "MAIL is an Outlook message (.msg): save the mail as text or .eml, or copy the block from it."
        )

    @pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\0\0", b"%PDF-1.7\n\0\1\2", bytes(1000)])
    def test_binary(self, content: bytes, told: Callable[[bytes], str]) -> None:
        assert told(content) == (
            "MAIL is not a text file: save the mail as text (.txt) or .eml, or copy the block from it."
        )

    def test_another_mail(self, told: Callable[[bytes], str]) -> None:
        assert told(mail("Lunch?")) == (
            "No encrypted block found (it begins with gAAAAA): copy it from the mail with the new key."
        )

    @pytest.mark.parametrize("content", [b"", b" \r\n\r\n", b"\xff\xfe"])
    def test_empty(self, content: bytes, told: Callable[[bytes], str]) -> None:
        assert told(content) == "The block is empty: copy the whole block from the mail."

    @pytest.mark.parametrize(
        "content",
        [
            PLAIN.replace(BLOCK, BLOCK[:-9]).encode(),
            mail(PLAIN.replace(BLOCK, BLOCK[:150])),
            BLOCK.replace(BLOCK[40:44], "%%%%").encode(),
            base64.b64encode(b"\x80" + bytes(90)),
        ],
        ids=["end missing", "half a mail", "foreign characters", "no frame"],
    )
    def test_damaged(self, content: bytes, told: Callable[[bytes], str]) -> None:
        assert told(content) == (
            "The block is damaged or cut off: copy all of it from the mail, from gAAAAA to its last character."
        )

    def test_several_blocks(self, told: Callable[[bytes], str]) -> None:
        """Which is the newest, the blocks themselves tell."""
        older = sealed(at=MARCH - 86_400)

        assert told(f"{PLAIN}\n{older}\n".encode()) == (
            f"There are 2 different blocks here ({older[:12]}... of 2030-03-01 12:00 UTC, "
            f"{BLOCK[:12]}... of 2030-03-02 12:00 UTC): use only the one from your newest mail."
        )

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("/", "Is a directory"),
            ("/nowhere/mail.eml", "No such file or directory"),
            ("/dev/null/mail.eml", "Not a directory"),
            ("/proc/self/mem", "Input/output error"),
            ("mail\0.eml", "embedded null byte"),
            ("m" * 300, "File name too long"),
        ],
    )
    def test_file_that_cannot_be_read(self, path: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
        code = decryption.main(["--file", path])

        shown = path.replace("\0", r"\x00")
        assert (code, *capsys.readouterr()) == (
            1,
            "",
            f"decryption.py: {shown} cannot be read ({reason}): check the path given with --file.\n",
        )

    def test_huge(self, told: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody waits for a disk image to be searched."""
        monkeypatch.setattr(decryption, "LARGEST_MAIL", 1000)

        assert told(bytes(1001)) == (
            "MAIL is larger than any mail: save the mail without attachments, or the block alone."
        )

    def test_device_that_never_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decryption, "LARGEST_MAIL", 1000)

        assert decryption.main(["--file", "/dev/zero"]) == 1

    @pytest.mark.parametrize(
        "content", [b"<" * 1_000_000, b"gAAAAA" * 100_000, b"> " * 500_000, b"gAAAAA\n" + b"a\n" * 99_999]
    )
    def test_hostile_files_cost_no_patience(self, content: bytes, told: Callable[[bytes], str]) -> None:
        """No pattern here goes back and forth: this would hang."""
        assert told(content)
