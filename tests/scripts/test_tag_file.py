"""scripts/tagging/tag_file.py: everything that is wrong with a tag file is said before anything is changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.tagging.tag_file import TagFileError, Wanted, load

EXAMPLE = Path(__file__).parents[2] / "scripts" / "examples" / "iam_users.json"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


def faults_of(file: Path) -> tuple[str, ...]:
    with pytest.raises(TagFileError) as refused:
        load(file)
    return refused.value.faults


def test_the_example_is_right() -> None:
    users = load(EXAMPLE).users

    assert users["bob@example.com"]["IKR:ROTATE_AFTER_DAYS"] == "30"
    assert list(users) == ["alice", "bob@example.com", "reporting-job"]


def test_the_csv_example_says_the_same() -> None:
    assert load(EXAMPLE.with_suffix(".csv")) == load(EXAMPLE)


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

    assert load(file) == Wanted(users=users)


def test_all_faults_come_together(file: Path) -> None:
    file.write_text(
        json.dumps(
            {
                "alice": {"IKR:EMAIL": "nobody", "IKR:ROTATE_AFTER_DAYS": "soon"},
                "no body": {"IKR:EMAIL": "bob@example.com"},
                "carol": {"Team": "red!", "IKR:COLOUR": "blue"},
            }
        )
    )

    faults = faults_of(file)

    for user, thing in (
        ("alice", "IKR:EMAIL"),
        ("alice", "IKR:ROTATE_AFTER_DAYS"),
        ("no body", "IAM user name"),
        ("carol", "Team"),
        ("carol", "'IKR:COLOUR'"),
    ):
        assert any(user in fault and thing in fault for fault in faults), (user, thing)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf \n", "it is empty"),
        (b'{"alice": {', "line 1 column"),
        (b'"alice"', "object of users"),
        (b"[]", "object of users"),
        (b"{}", "names no user"),
        (b"\xff\xff", "it is not UTF-8 text (line 1): save it as UTF-8"),
        (b'{"alice":\n{"IKR:INSTRUCTION_0": "J\xfcrgen"}}', "it is not UTF-8 text (line 2): save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "it is not UTF-8 text (line 1)"),
        (b"\xff\xfe{", "it is not UTF-8 text"),
        (b"user,email\nalice,alice@example.com\n", "the name of a CSV file ends in .csv"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "not JSON"),
    ],
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
        ('{"alice": {"IKR:EMAIL": "a@example.com"}, "alice": {"IKR:EMAIL": "b@example.com"}}', "alice: duplicate user"),
        ('{"alice": {"IKR:EMAIL": "a@example.com"}, "Alice": {"IKR:EMAIL": "b@example.com"}}', "second time as Alice"),
        ('{"alice": {"IKR:EMAIL": "a@example.com", "IKR:EMAIL": "b@example.com"}}', "alice: duplicate tag IKR:EMAIL"),
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

    assert "not an IAM user name" in fault


@pytest.mark.parametrize("entry", [None, "alice@example.com", ["IKR:EMAIL"], 1])
def test_an_entry_of_another_kind(entry: object, file: Path) -> None:
    file.write_text(json.dumps({"alice": entry}))

    (fault,) = faults_of(file)

    assert "alice: must be an object of tags" in fault


@pytest.mark.parametrize(
    "tag",
    [
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

    assert "not a policy tag" in fault


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


@pytest.mark.parametrize("value", [30.0, True, None, {"a": "b"}, ["a"]])
def test_a_value_that_is_neither_a_text_nor_a_number(value: object, file: Path) -> None:
    file.write_text(json.dumps({"alice": {"IKR:ROTATE_AFTER_DAYS": value}}))

    assert faults_of(file) == ("alice: IKR:ROTATE_AFTER_DAYS must have a text or a whole number as its value",)


def test_a_number_is_as_good_as_a_text(file: Path) -> None:
    """Who writes JSON by hand writes days without quotes; they are checked all the same."""
    file.write_text(json.dumps({"alice": {"IKR:EMAIL": "alice@example.com", "IKR:ROTATE_AFTER_DAYS": 80}}))

    assert load(file).users["alice"]["IKR:ROTATE_AFTER_DAYS"] == "80"

    file.write_text(json.dumps({"alice": {"IKR:ROTATE_AFTER_DAYS": 4000}}))

    assert "must be a whole number from 0 to 3650" in faults_of(file)[0]


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("IKR:EMIAL", "; did you mean IKR:EMAIL?"),
        ("ikr:rotate_days", "; did you mean IKR:ROTATE_AFTER_DAYS?"),
        ("IKR:COLOUR", "; these are IKR:EMAIL, IKR:ROTATE_AFTER_DAYS, IKR:DELETE_AFTER_DAYS, IKR:INSTRUCTION_0, …"),
    ],
)
def test_a_misspelt_policy_tag_is_told_with_the_right_one(tag: str, said: str, file: Path) -> None:
    file.write_text(json.dumps({"alice": {tag: "1"}}))

    assert faults_of(file) == (f"alice: {tag!r} is not a policy tag{said}",)


class TestOtherTags:
    """aws-iam-key-rotator's file may hold any tag, and its script sets them all."""

    def test_its_sample_is_no_fault(self, file: Path) -> None:
        """What is meant by it is another matter, so that it is told."""
        file.write_text(
            json.dumps({"USERNAME_1": {"KEY_1": "VALUE_1", "KEY_2": "VALUE_2"}, "USERNAME_2": {"KEY_1": "VALUE"}})
        )

        wanted = load(file)

        assert wanted.users == {
            "USERNAME_1": {"KEY_1": "VALUE_1", "KEY_2": "VALUE_2"},
            "USERNAME_2": {"KEY_1": "VALUE"},
        }
        assert wanted.notes == (
            "KEY_1 (2 users) is not a tag of iam-key-rotator; it is set anyway.",
            "KEY_2 (1 user) is not a tag of iam-key-rotator; it is set anyway.",
        )

    def test_one_that_lacks_the_prefix_is_told_with_it(self, file: Path) -> None:
        file.write_text(json.dumps({"alice": {"EMAIL": "alice@example.com"}}))

        (note,) = load(file).notes

        assert note.endswith("; did you mean IKR:EMAIL?")

    @pytest.mark.parametrize(
        ("tag", "said"),
        [
            ("", "has 0 characters"),
            ("x" * 129, "has 129 characters"),
            ("aws:team", "AWS keeps for itself"),
            ("a;b", "has characters that IAM does not take"),
        ],
    )
    def test_what_iam_would_refuse_is_a_fault(self, tag: str, said: str, file: Path) -> None:
        file.write_text(json.dumps({"alice": {tag: "1"}}))

        (fault,) = faults_of(file)

        assert said in fault


NO_NAME = (
    "there is no column without a name; the columns are user, email, rotate_after_days, delete_after_days, "
    "instruction_0, instruction_1, …"
)


class TestCsv:
    """A spreadsheet's way to say the same."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "users.CSV"

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_however_it_was_saved(self, separator: str, encoding: str, newline: str, file: Path) -> None:
        lines = (
            ("User", "email", "rotate_after_days", "IKR:DELETE_AFTER_DAYS", "instruction_0", "instruction_10"),
            ("alice", "alice@example.com", " 30 ", "", "Fragen Sie Jürgen", "Danach"),
            ("", "", "", "", "", ""),
            ("bob", "bob@example.com", "", "7"),
        )
        file.write_text(newline.join(map(separator.join, lines)), encoding=encoding, newline="")

        assert load(file) == Wanted(
            users={
                "alice": {
                    "IKR:EMAIL": "alice@example.com",
                    "IKR:ROTATE_AFTER_DAYS": "30",
                    "IKR:INSTRUCTION_0": "Fragen Sie Jürgen",
                    "IKR:INSTRUCTION_10": "Danach",
                },
                "bob": {"IKR:EMAIL": "bob@example.com", "IKR:DELETE_AFTER_DAYS": "7"},
            }
        )

    def test_a_cell_may_hold_the_separator_and_line_breaks(self, file: Path) -> None:
        file.write_text('user,instruction_0\nalice,"first, then: second"\n')

        (fault,) = faults_of(file)

        assert fault.startswith("alice: IKR:INSTRUCTION_0 holds ',', which IAM does not take: only letters, digits")

    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            ("", "it is empty"),
            (
                "alice,alice@example.com\n",
                "its first line must name the columns: user,email,rotate_after_days,delete_after_days",
            ),
            ('{"alice": {}}', "its first line must name the columns: user,email,rotate_after_days,delete_after_days"),
            ("user,emial\nalice,a@example.com\n", "there is no column emial; did you mean email?"),
            ("user,\nalice,a@example.com\n", NO_NAME),
            ("user,email,Email\n", "duplicate column email"),
            ("user,email\n", "it names no user"),
            ("user,email\nalice,a@example.com,b\n", "line 2 has 3 cells, and the first line names 2 columns"),
            ('user,email\nalice,"a@example.com\n', "line 2: unexpected end of data"),
            ("user,email\n,a@example.com\n", "'': is not an IAM user name (1 to 64 letters, digits and + = , . @ _ -)"),
            ("user,email\nalice,\n", "alice: has no tags"),
            ("user,email\nalice,alice\n", "alice: IKR:EMAIL is 'alice', which is not one plain e-mail address"),
            (
                "user,email\nalice,a@example.com\nAlice,b@example.com\n",
                "alice: duplicate user, the second time as Alice",
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, content: str, fault: str, file: Path) -> None:
        file.write_text(content)

        assert faults_of(file) == (fault,)


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

    assert load(file).users == users


@pytest.mark.parametrize("character", ["\n", "\t", "<", '"', "'", "!", "?", "\x00", "\ud800", "😀"])
def test_characters_that_iam_refuses(character: str, file: Path) -> None:
    file.write_text(json.dumps({"alice": {"IKR:INSTRUCTION_0": f"Ask {character} team"}}))

    (fault,) = faults_of(file)

    assert repr(character) in fault


def taken_or_faulted(file: Path) -> object:
    """Load a file; say of one that is refused whether it is told why."""
    try:
        return load(file).users
    except TagFileError as refused:
        return "faulted" if refused.faults else "refused without a reason"


def with_texts(document: object) -> object:
    """Write the values of tags as IAM has them."""
    if isinstance(document, int):
        return str(document)
    return {name: with_texts(value) for name, value in document.items()} if isinstance(document, dict) else document


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_json_is_either_taken_or_faulted(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    """No file makes the command fall over."""
    file = tmp_path_factory.mktemp("any") / "users.json"
    file.write_text(json.dumps(document))

    assert taken_or_faulted(file) in (with_texts(document), "faulted")


def test_names_reach_the_screen_without_their_control_characters(file: Path) -> None:
    """A file from elsewhere must not move the cursor, or hide what it says."""
    file.write_text('{"a\\u001b[2J": 1, "A\\u001b[2J": {}, "alice": {"IKR:\\u001b[2J": "", "ikr:\\u001b[2J": ""}}')

    faults = faults_of(file)

    assert len(faults) == 8
    assert "".join(faults).isprintable()
