from __future__ import annotations

import pytest

from functions.common.errors import PolicyError
from functions.common.tags import (
    Defaults,
    UserPolicy,
    domain_of,
    is_address,
    is_allowed,
    is_ours,
    parse,
    same_address,
)

DEFAULTS = Defaults(rotate_after_days=80, delete_after_days=5)
BAD_DAYS = ["٣٠", "²", "+5", "-1", "3651", "5.0", "", " 5", "5 ", "1_0", "9" * 256]
GOOD_ADDRESSES = [
    "alice@example.com",
    "a.b-c_d+e=f/g@mail.example-1.co",
    f"{'x' * 64}@example.com",
]
BAD_ADDRESSES = [
    "",
    "alice",
    "@example.com",
    "alice@",
    "alice@example",
    "alice@example.com.",
    "alice@.example.com",
    "alice@example..com",
    "alice@-example.com",
    "alice@example-.com",
    ".alice@example.com",
    "alice.@example.com",
    "al..ice@example.com",
    "alice@example.com bob@example.com",
    "alice@example.com:bob@example.com",
    "alice@bob@example.com",
    " alice@example.com",
    "alice@example.com\n",
    "alice@example.com\u2028",
    "alice\u2028@example.com",
    "аlice@example.com",  # noqa: RUF001 (a Cyrillic letter that looks like a Latin one)
    "alice@exämple.com",
    f"{'x' * 65}@example.com",
    f"alice@{'x' * 64}.com",
    f"alice@{'.'.join(['x' * 60] * 4)}.example.com",
]
LOOK_ALIKES = {
    "a dotless i": "\u0131kr:",
    "a dotted capital I": "\u0130KR:",
    "the same in two characters": "I\u0307KR:",
    "a Kelvin sign": "I\u212aR:",
    "full-width letters": "\uff29\uff2b\uff32:",
    "a full-width colon": "IKR\uff1a",
}


def policy(tags: dict[str, str], *domains: str) -> UserPolicy:
    parsed = parse(
        {"IKR:EMAIL": "alice@example.com"} | tags, defaults=DEFAULTS, allowed_email_domains=frozenset(domains)
    )
    assert parsed is not None
    return parsed


def faults(tags: dict[str, str], *domains: str) -> str:
    with pytest.raises(PolicyError) as fault:
        policy(tags, *domains)
    return str(fault.value)


def test_user_without_address_is_left_alone_whatever_the_other_tags_say() -> None:
    assert parse({"IKR:ROTATE_AFTER_DAYS": "soon", "EMAIL": "alice@example.com"}, defaults=DEFAULTS) is None


def test_stack_decides_where_the_tags_do_not() -> None:
    assert policy({"team": "blue"}) == UserPolicy(
        email="alice@example.com", rotate_after_days=80, delete_after_days=5, instruction=""
    )


def test_tags_override_the_stack() -> None:
    parsed = policy({"IKR:ROTATE_AFTER_DAYS": "0", "IKR:DELETE_AFTER_DAYS": "3650"})

    assert (parsed.rotate_after_days, parsed.delete_after_days) == (0, 3650)


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title, str.swapcase])
def test_tag_names_are_compared_without_case(spelling: type[str]) -> None:
    """IAM keeps the case of a tag's name and does not tell names apart by it."""
    tags = {
        "IKR:Email": "alice@example.com",
        "IKR:Rotate_After_Days": "30",
        "IKR:Delete_After_Days": "3",
        "IKR:Instruction_0": "Call Bob.",
    }

    parsed = parse({spelling(name): value for name, value in tags.items()}, defaults=DEFAULTS)

    assert parsed == UserPolicy(
        email="alice@example.com", rotate_after_days=30, delete_after_days=3, instruction="Call Bob."
    )


@pytest.mark.parametrize("prefix", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
@pytest.mark.parametrize("name", ["EMAIL", "DELETE_AFTER_DAYS", "INSTRUCTION_0"])
def test_letter_that_only_looks_like_one_of_ours_is_a_fault(prefix: str, name: str) -> None:
    """IAM's policies and Python would disagree about such a key, and so about whether the user is served at all."""
    key = prefix + name

    assert is_ours(key)
    assert faults({key: "5"}) == f"the tag key {key!r} has characters other than ASCII"


def test_letter_beyond_ascii_after_the_prefix_is_a_fault() -> None:
    """A long s folds to an s, and a dotless i to an i."""
    assert "characters other than ASCII" in faults({"IKR:DELETE_AFTER_DAY\u017f": "5"})
    assert "characters other than ASCII" in faults({"IKR:EMA\u0131L": "eve@example.com"})


@pytest.mark.parametrize("key", ["KR:EMAIL", "IKR", "IKREMAIL", "XIKR:EMAIL", " IKR:EMAIL", "\u03b9kr:email", "größe"])
def test_other_peoples_tags_are_theirs(key: str) -> None:
    assert not is_ours(key)
    assert policy({key: "anything"}) == policy({})


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("IKR:EMAIL", "ikr:email", "IKR:EMAIL is set 2 times"),
        ("IKR:DELETE_AFTER_DAYS", "IKR:Delete_After_Days", "IKR:DELETE_AFTER_DAYS is set 2 times"),
        ("IKR:INSTRUCTION_0", "Ikr:Instruction_0", "IKR:INSTRUCTION_0 is set 2 times"),
    ],
)
def test_tag_that_is_set_twice_in_other_spellings_is_a_fault(one: str, other: str, told: str) -> None:
    """Which of the two counts, the order of the listing would decide."""
    with pytest.raises(PolicyError) as fault:
        parse({"IKR:EMAIL": "alice@example.com", one: "alice@example.com", other: "eve@example.com"}, defaults=DEFAULTS)

    assert told in str(fault.value)


@pytest.mark.parametrize(
    "tags",
    [
        {"\u0131kr:email": "alice@example.com"},
        {"IKR:DELETE_AFTER_DAY\u017f": "5"},
        {"IKR:DELETE_AFTER_DAYS": "5", "ikr:delete_after_days": "6"},
    ],
)
def test_missing_address_beside_a_faulty_key_is_a_fault_and_no_opting_out(tags: dict[str, str]) -> None:
    """The administrator meant to include this user, and would never hear that nobody is served."""
    with pytest.raises(PolicyError, match="IKR:EMAIL is missing"):
        parse(tags, defaults=DEFAULTS)


@pytest.mark.parametrize("value", BAD_DAYS)
@pytest.mark.parametrize("tag", ["IKR:ROTATE_AFTER_DAYS", "IKR:DELETE_AFTER_DAYS"])
def test_days_are_ascii_digits_up_to_3650(tag: str, value: str) -> None:
    assert faults({tag: value}) == f"{tag} is {value!r}, and must be a whole number from 0 to 3650"


@pytest.mark.parametrize("address", GOOD_ADDRESSES)
def test_one_plain_address_is_taken(address: str) -> None:
    assert policy({"IKR:EMAIL": address}).email == address


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_anything_but_one_plain_address_is_refused(address: str) -> None:
    """A tag may hold two addresses, or a letter that looks like another: a secret would go where nobody meant it to."""
    assert not is_address(address)
    assert faults({"IKR:EMAIL": address}) == f"IKR:EMAIL is {address!r}, which is not one plain e-mail address"


@pytest.mark.parametrize("address", ["alice@example.com", "Alice@example.org"])
def test_address_of_an_allowed_domain_is_taken(address: str) -> None:
    parsed = policy({"IKR:EMAIL": address}, "example.com", "example.org")

    assert parsed.email == address


@pytest.mark.parametrize("domains", [(), ("example.com",)])
def test_domain_in_capitals_is_a_fault_with_its_remedy(domains: tuple[str, ...]) -> None:
    """IAM compares it by case: a policy for the domain would not match, and the rotation would be refused halfway."""
    assert faults({"IKR:EMAIL": "Alice@Example.COM"}, *domains) == (
        "IKR:EMAIL is 'Alice@Example.COM', and its domain must be in lower case: Alice@example.com"
    )


@pytest.mark.parametrize("address", ["alice@evil.example", "alice@sub.example.com", "alice@notexample.com"])
def test_domain_that_is_not_allowed_is_refused(address: str) -> None:
    """Whoever may tag a user could otherwise have the user's secrets sent anywhere."""
    assert "whose domain is not among the allowed ones" in faults({"IKR:EMAIL": address}, "example.com")


def test_all_faults_of_a_user_are_told_together() -> None:
    told = faults({"IKR:EMAIL": "alice", "IKR:ROTATE_AFTER_DAYS": "x", "IKR:DELETE_AFTER_DAYS": "y"})

    assert [fault.split()[0] for fault in told.split("; ")] == [
        "IKR:EMAIL",
        "IKR:ROTATE_AFTER_DAYS",
        "IKR:DELETE_AFTER_DAYS",
    ]


def test_instruction_is_joined_in_numeric_order() -> None:
    tags = {f"ikr:Instruction_{number}": f"<{number}>" for number in (10, 2, 0, 11, 1, 3, 5, 4, 9, 8, 7, 6)}

    parsed = policy(tags)

    assert parsed.instruction == " ".join(f"<{number}>" for number in range(12))
    assert parsed.warnings == ()


@pytest.mark.parametrize("suffix", ["", "A", "1A", "-1", "1.0"])
def test_instruction_without_a_number_is_ignored_with_a_warning(suffix: str) -> None:
    parsed = policy({"IKR:INSTRUCTION_0": "Call Bob.", f"IKR:INSTRUCTION_{suffix}": "Call Eve."})

    assert parsed.instruction == "Call Bob."
    assert parsed.warnings == (f"IKR:INSTRUCTION_{suffix} is ignored: its suffix is not a number",)


def test_domain_of_an_address_is_lower_case() -> None:
    assert domain_of("Alice@Mail.Example.COM") == "mail.example.com"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("alice@example.com", "alice@example.com", True),
        ("alice@Example.COM", "alice@example.com", True),
        ("Alice@example.com", "alice@example.com", False),
        ("alice@example.com", "alice@example.org", False),
        ("alice@example.com", "alice+1@example.com", False),
    ],
)
def test_addresses_are_the_same_but_for_the_case_of_the_domain(*, one: str, other: str, same: bool) -> None:
    """A mail server may tell Alice from alice; no name server tells Example from example."""
    assert same_address(one, other) is same_address(other, one) is same


@pytest.mark.parametrize(
    ("domains", "allowed"),
    [
        (set(), True),
        ({"example.com"}, True),
        ({"example.org", "example.com"}, True),
        ({"example.org"}, False),
        ({"sub.example.com"}, False),
        ({"com"}, False),
    ],
)
def test_mail_may_go_to_the_listed_domains_and_anywhere_without_a_list(*, domains: set[str], allowed: bool) -> None:
    assert is_allowed("alice@EXAMPLE.com", frozenset(domains)) is allowed
