"""scripts/tag_file.py: everything that is wrong with a tag file is said before anything is changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.tag_file import TagFileError, load

EXAMPLE = Path(__file__).parents[2] / "scripts" / "examples" / "iam_users.json"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


def faults_of(file: Path) -> tuple[str, ...]:
    with pytest.raises(TagFileError) as refused:
        load(file)
    return refused.value.faults


def test_the_example_is_right() -> None:
    users = load(EXAMPLE)

    assert users["bob@example.com"]["IKR:ROTATE_AFTER_DAYS"] == "30"
    assert list(users) == ["alice", "bob@example.com", "reporting-job"]


def test_what_stands_in_the_file_is_what_comes_out(file: Path) -> None:
    """In any spelling of the keys, with letters of any script in the text, and without an address."""
    users = {
        "alice": {
            "ikr:Email": "alice@example.com",
            "IKR:INSTRUCTION_12": "Fragen Sie Jürgen: +49 / 30",
            "ikr:instruction_0": "",
        },
        "a+b=c,d.e@f-g_h": {"IKR:DELETE_AFTER_DAYS": "0", "IKR:ROTATE_AFTER_DAYS": "3650"},
    }
    file.write_text(json.dumps(users), encoding="utf-8-sig")

    assert load(file) == users


def test_all_faults_come_together(file: Path) -> None:
    file.write_text(
        json.dumps(
            {
                "alice": {"IKR:EMAIL": "nobody", "IKR:ROTATE_AFTER_DAYS": "soon"},
                "no body": {"IKR:EMAIL": "bob@example.com"},
                "carol": {"Team": "red", "IKR:COLOUR": "blue"},
            }
        )
    )

    faults = faults_of(file)

    for user, thing in (
        ("alice", "IKR:EMAIL"),
        ("alice", "IKR:ROTATE_AFTER_DAYS"),
        ("no body", "IAM user name"),
        ("carol", "'Team'"),
        ("carol", "'IKR:COLOUR'"),
    ):
        assert any(user in fault and thing in fault for fault in faults), (user, thing)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b'{"alice": {', "line 1 column"),
        (b'"alice"', "object of users"),
        (b"[]", "object of users"),
        (b"{}", "names no user"),
        (b"\xff\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "not JSON"),
    ],
    ids=["empty", "cut off", "a text", "a list", "no users", "binary", "deep", "a huge number"],
)
def test_a_file_of_another_kind(content: bytes, said: str, file: Path) -> None:
    file.write_bytes(content)

    (fault,) = faults_of(file)

    assert said in fault


@pytest.mark.parametrize("path", ["/nowhere/users.json", "/"])
def test_a_file_that_cannot_be_read(path: str) -> None:
    (fault,) = faults_of(Path(path))

    assert "cannot be read" in fault


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"alice": {"IKR:EMAIL": "a@example.com"}, "alice": {"IKR:EMAIL": "b@example.com"}}', "alice: stands twice"),
        ('{"alice": {"IKR:EMAIL": "a@example.com"}, "Alice": {"IKR:EMAIL": "b@example.com"}}', "second time as Alice"),
        ('{"alice": {"IKR:EMAIL": "a@example.com", "IKR:EMAIL": "b@example.com"}}', "IKR:EMAIL stands twice"),
        ('{"alice": {"IKR:EMAIL": "a@example.com", "ikr:email": "b@example.com"}}', "second time as ikr:email"),
    ],
)
def test_the_same_name_twice(content: str, said: str, file: Path) -> None:
    """JSON's usual reading keeps the last in silence; IAM compares names without regard to case."""
    file.write_text(content)

    (fault,) = faults_of(file)

    assert said in fault


@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "a/b", "müller", "a:b"])
def test_a_name_that_no_user_has(name: str, file: Path) -> None:
    file.write_text(json.dumps({name: {"IKR:EMAIL": "alice@example.com"}}))

    (fault,) = faults_of(file)

    assert "no IAM user name" in fault


@pytest.mark.parametrize("entry", [None, "alice@example.com", ["IKR:EMAIL"], 1])
def test_an_entry_of_another_kind(entry: object, file: Path) -> None:
    file.write_text(json.dumps({"alice": entry}))

    (fault,) = faults_of(file)

    assert "alice: must be an object of tags" in fault


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "Team",
        "IKR:",
        "IKR:EMAILS",
        "IKR:INSTRUCTION",
        "IKR:INSTRUCTION_",
        "IKR:INSTRUCTION_a",
        "ikr:instruction_٣",
        "IKR:INSTRUCTION_" + "1" * 113,
    ],
)
def test_a_tag_that_is_no_policy_tag(tag: str, file: Path) -> None:
    """The service would ignore it without a word, or IAM would refuse it."""
    file.write_text(json.dumps({"alice": {tag: "1"}}))

    (fault,) = faults_of(file)

    assert "no policy tag" in fault


@pytest.mark.parametrize("days", ["", "-1", "3651", "1.5", "1e2", "0x10", "seven", "٣٠", " 7", "99999999999999999999"])
@pytest.mark.parametrize("tag", ["IKR:ROTATE_AFTER_DAYS", "ikr:delete_after_days"])
def test_bad_days(tag: str, days: str, file: Path) -> None:
    """Whether or not the file names the user's address, which is where the service begins to look."""
    file.write_text(json.dumps({"alice": {tag: days}, "bob": {"IKR:EMAIL": "bob@example.com", tag: days}}))

    faults = faults_of(file)

    assert [fault.split(":")[0] for fault in faults] == ["alice", "bob"]
    assert all(tag.upper() in fault for fault in faults)


@pytest.mark.parametrize(
    "email", ["", "alice", "a@b", "a@example.com b@example.com", "alice@exa mple.com", "@example.com"]
)
def test_bad_addresses(email: str, file: Path) -> None:
    file.write_text(json.dumps({"alice": {"IKR:EMAIL": email}}))

    (fault,) = faults_of(file)

    assert "alice: IKR:EMAIL" in fault


@pytest.mark.parametrize("value", [30, True, None, {"a": "b"}, ["a"]])
def test_a_value_that_is_no_text(value: object, file: Path) -> None:
    file.write_text(json.dumps({"alice": {"IKR:ROTATE_AFTER_DAYS": value}}))

    (fault,) = faults_of(file)

    assert "in double quotes" in fault


def test_limits_of_iam(file: Path) -> None:
    file.write_text(
        json.dumps(
            {
                "long": {"IKR:INSTRUCTION_0": "x" * 257},
                "many": {f"IKR:INSTRUCTION_{number}": "x" for number in range(51)},
                "none": {},
            }
        )
    )

    faults = faults_of(file)

    assert [fault.split(":")[0] for fault in faults] == ["long", "many", "none"]


def test_just_within_the_limits_of_iam(file: Path) -> None:
    users = {
        "a" * 64: {f"IKR:INSTRUCTION_{number}": "x" * 256 for number in range(50)},
        "b": {"IKR:INSTRUCTION_" + "0" * 112: "x"},
    }
    file.write_text(json.dumps(users))

    assert load(file) == users


@pytest.mark.parametrize("character", ["\n", "\t", "<", '"', "'", "!", "?", "\x00", "\ud800", "😀"])
def test_characters_that_iam_refuses(character: str, file: Path) -> None:
    file.write_text(json.dumps({"alice": {"IKR:INSTRUCTION_0": f"Ask {character} team"}}))

    (fault,) = faults_of(file)

    assert repr(character) in fault


def taken_or_faulted(file: Path) -> object:
    """Load a file; say of one that is refused whether it is told why."""
    try:
        return load(file)
    except TagFileError as refused:
        return "faulted" if refused.faults else "refused without a reason"


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_json_is_either_taken_or_faulted(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    """No file makes the command fall over."""
    file = tmp_path_factory.mktemp("any") / "users.json"
    file.write_text(json.dumps(document))

    assert taken_or_faulted(file) in (document, "faulted")


def test_names_reach_the_screen_without_their_control_characters(file: Path) -> None:
    """A file from elsewhere must not move the cursor, or hide what it says."""
    file.write_text('{"a\\u001b[2J": 1, "A\\u001b[2J": {}, "alice": {"IKR:\\u001b[2J": "", "ikr:\\u001b[2J": ""}}')

    faults = faults_of(file)

    assert len(faults) == 8
    assert "".join(faults).isprintable()
