from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from functions.mail.reply import quote


@pytest.mark.parametrize(
    "material",
    [
        pytest.param("not/a/real/secret/but/as/long/as/one+Xx1", id="secret"),
        pytest.param(Fernet(Fernet.generate_key()).encrypt(b"not real").decode(), id="token"),
    ],
)
def test_key_material_is_blotted_out(material: str) -> None:
    quoted = quote(f"rejected: '{material}' looks like a key")

    assert quoted == "rejected: '[...]' looks like a key"


def test_reply_is_one_short_line() -> None:
    quoted = quote(b"5.7.1 no\r\n5.7.1 \xffnot you " + b"and not " * 100)

    assert quoted.startswith("5.7.1 no 5.7.1 \ufffdnot you and not")
    assert len(quoted) == 203
