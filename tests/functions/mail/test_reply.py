from __future__ import annotations

import base64
import html
import json
import quopri
import re
import textwrap
import urllib.parse
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from functions.mail.message import Message
from functions.mail.reply import RUN, quote

SECRET = "not/a/real/secret/but/as/long/as/one+Xx1"
BLOCK = Fernet(Fernet.generate_key()).encrypt(b"not real").decode()


def message(secret: str = SECRET) -> Message:
    return Message(
        to="alice@example.com",
        subject="New key",
        text=f"Your secret key:  {secret}\nBye\n",
        html="",
        thread="AKIAFAKE00000000OLD1",
    )


BEFORE = message().text.index(SECRET)


def whole_in_base64(secret: str) -> str:
    return base64.b64encode(message(secret).text.encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "percent": lambda secret: urllib.parse.quote(secret, safe=""),
    "percent, every character": lambda secret: "".join(f"%{ord(letter):02x}" for letter in secret),
    "percent, twice": lambda secret: urllib.parse.quote(urllib.parse.quote(secret, safe="")),
    "quoted-printable": lambda secret: quopri.encodestring(secret.encode()).decode().replace("+", "=2B"),
    "soft line breaks": lambda secret: "=\r\n".join(textwrap.wrap(secret, 9)),
    "encoded soft line breaks": lambda secret: "=\r\n".join(textwrap.wrap(secret, 9)).replace("/", "=2F"),
    "lines": lambda secret: "\r\n".join(textwrap.wrap(secret, 9)),
    "lines of a reply": lambda secret: "\n5.7.1 ".join(textwrap.wrap(secret, 5)),
    "quoted lines": lambda secret: "\n> ".join(textwrap.wrap(secret, 5)),
    "spaced": " ".join,
    "HTML entities": lambda secret: html.escape(secret).replace("/", "&#47;").replace("+", "&plus;"),
    "HTML entities, every character": lambda secret: "".join(f"&#x{ord(letter):x};" for letter in secret),
    "JSON": lambda secret: json.dumps("\n".join(textwrap.wrap(secret, 9))).replace("/", "\\/"),
    "JSON escapes": lambda secret: "".join(f"\\u{ord(letter):04x}" for letter in secret),
    "hexadecimal": lambda secret: secret.encode().hex(" "),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64 in lines": lambda secret: "\r\n".join(textwrap.wrap(base64.b64encode(secret.encode()).decode(), 20)),
    "base64 of the whole": lambda secret: "\n".join(textwrap.wrap(whole_in_base64(secret), 30)),
    "base64, percent": lambda secret: urllib.parse.quote(base64.b64encode(secret.encode()).decode(), safe=""),
}

IN_BASE64 = [encode for form, encode in FORMS.items() if "base64" in form]

# A slow machine makes no fault.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

secrets = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", min_size=40, max_size=40)


@pytest.mark.parametrize("material", [pytest.param(SECRET, id="secret"), pytest.param(BLOCK, id="token")])
def test_key_material_is_blotted_out(material: str) -> None:
    """Also such as is of no mail that this program has sent."""
    quoted = quote(f"rejected: '{material}' looks like a key", message("x" * 40))

    assert quoted == "rejected: '[...]' looks like a key"


@pytest.mark.parametrize("form", FORMS)
@unhurried
@given(secret=secrets, start=st.integers(0, 39), length=st.integers(RUN, 40))
@example(secret=SECRET, start=0, length=40)
@example(secret=SECRET, start=8, length=8)
def test_no_run_of_a_secret_survives_in_any_form(form: str, secret: str, start: int, length: int) -> None:
    """A service quotes as much of the mail as it likes, encoded as it likes."""
    start = min(start, len(secret) - length)
    encode = FORMS[form]
    run = encode(secret if "whole" in form else secret[start : start + length])

    quoted = quote(f"554 5.7.1 spam: {run} is refused".encode(), message(secret))

    assert "[...]" in quoted
    assert_hidden(secret, encode, quoted)


@unhurried
@given(secret=secrets, form=st.sampled_from(sorted(FORMS)), cut=st.integers(0, 300), padding=st.integers(0, 220))
def test_no_run_survives_where_the_quotation_is_cut(secret: str, form: str, cut: int, padding: int) -> None:
    quoted = quote(f"{'spam ' * (padding // 5)}{FORMS[form](secret)[:cut]}", message(secret))

    assert_hidden(secret, FORMS[form], quoted)


@pytest.mark.parametrize("encode", [FORMS["plain"], FORMS["base64"], FORMS["percent"]])
def test_password_is_not_quoted_either(encode: Callable[[str], str]) -> None:
    """A server that does not know the user may quote what it was logged in to with."""
    quoted = quote(f"535 no: {encode('pa/ss')}", message(), password="pa/ss")

    assert quoted == "[...]"


def test_reply_that_quotes_no_secret_is_told_as_it_is() -> None:
    words = "550 5.1.1 <alice@example.com>: Recipient address rejected: User unknown; see https://example.com/help?a=1"

    assert quote(words, message(), password="not-a-real-password") == words


def test_reply_is_one_short_line() -> None:
    quoted = quote(b"5.7.1 no\r\n5.7.1 \xffnot you " + b"and not " * 100, message())

    assert quoted.startswith("5.7.1 no 5.7.1 \ufffdnot you and not")
    assert len(quoted) == 203


def assert_hidden(secret: str, encode: Callable[[str], str], quoted: str) -> None:
    """Find no run of the secret, in its form or without it, however the reply was broken into lines."""
    joined = re.sub(r"5\.7\.1|[\s=>]", "", quoted.replace("\\n", "")).lower()
    runs = [secret[start : start + RUN] for start in range(len(secret) - RUN + 1)]
    whole = "".join(encode(secret).split())
    if encode is FORMS["base64 of the whole"]:
        whole = whole[BEFORE * 8 // 6 :]
    # Twelve characters of base64 hold at least eight of what is encoded.
    in_base64 = [whole[start : start + 12].lower() for start in range(len(whole) - 11)] if encode in IN_BASE64 else []
    assert [run for run in runs if run.lower() in joined or encode(run) in quoted] == []
    assert [piece for piece in in_base64 if piece in joined] == []
