"""The report's page: nothing that comes out of the account acts in it, and it needs nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from functions.common.account import Account
from functions.common.entry import Status
from functions.common.keys import LastUse
from functions.common.tags import UserPolicy
from functions.rotator.decide import Action, Decision, Reason
from scripts.benchmark import crowd
from scripts.reporting.page import as_html
from scripts.reporting.survey import Bystander, Step
from tests.scripts.reporting.people import NEW_KEY, NOW, OLD_KEY, entry, key, survey, used, user

HOSTILE = "\"'></title></small><script>alert(1)</script><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, its text, and its scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.insets: dict[str, str] = {}
        self._within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in {"script", "style"}:
            self.insets[self._within] = self.insets.get(self._within, "") + data
        else:
            self.text += data

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        """Give the attributes of each element of this kind."""
        return (attributes for name, attributes in self.elements if name == tag)


def test_it_shows_what_is_known() -> None:
    end = NOW + timedelta(days=4)
    old = key(91, last_use=used(2), entry=entry(Status.EXPIRING, 91, delete_on=end, new_key_id=NEW_KEY))
    everyone = survey(
        user(old, key(1, NEW_KEY), action=Action.IN_GRACE, step=Step(what="deletion", on=end)),
        user(name="bob", decision=Decision(action=Action.SKIP, reason=Reason.NO_KEY)),
        malformed=("ledger item of user zoe, key unknown: ak missing",),
    )

    page = Page(as_html(everyone))

    text = " ".join(page.text.split())
    for shown in (
        "acme-prod (111122223333)",
        "Active keys older than 90 days: 1.",
        "alice@example.com",
        OLD_KEY,
        NEW_KEY,
        "in grace",
        "deletion on 2030-03-05 12:00",
        "used 2030-02-27, s3, eu-west-1",
        "no key",
        "zoe",
    ):
        assert shown in text
    assert len(list(page.all("svg"))) == 1 + 2, "the axis, and a bar per key"


def test_an_account_without_tagged_users_has_a_page() -> None:
    assert "No active key is older than 90 days" in as_html(survey())


def test_nothing_that_comes_out_of_the_account_acts() -> None:
    """Tags, names, errors and the account's alias are data, wherever they stand."""
    last_use = LastUse(at=NOW, service=HOSTILE, region=HOSTILE)
    one = key(1, last_use=last_use, entry=entry(Status.FAILED, 1, last_error=HOSTILE))
    harmless = Page(
        as_html(
            survey(
                user(key(1, last_use=used(1)), step=Step(what="x", on=NOW)),
                user(decision=None, fault="x"),
                bystanders=(Bystander(name="x", why=Reason.NOT_TAGGED, keys=(key(1),)),),
                malformed=("x",),
            )
        )
    )

    page = Page(
        as_html(
            survey(
                user(one, name=HOSTILE, step=Step(what=HOSTILE, on=None)),
                user(name="bob", decision=None, fault=HOSTILE),
                account=Account(id="111122223333", alias=HOSTILE),
                bystanders=(Bystander(name=HOSTILE, why=Reason.NOT_TAGGED, keys=(one,)),),
                malformed=(HOSTILE,),
            )
        )
    )

    assert "alert(1)" in page.text
    assert "alert(1)" not in page.insets["script"]
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in harmless.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("inset", ["script", "style"])
def test_only_our_own_script_and_style_are_let_in(inset: str) -> None:
    """By their hash: a page that got a foreign script in spite of all would not run it."""
    page = Page(as_html(survey(user(key(1)))))
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta) or ""

    digest = base64.b64encode(hashlib.sha256(page.insets[inset].encode()).digest()).decode()

    assert "default-src 'none'" in policy
    assert f"{inset}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_it_loads_nothing() -> None:
    """It can be mailed and archived, and tells nobody that it is being read."""
    html = as_html(survey(user(key(1))))
    page = Page(html)

    assert not [attributes for _, attributes in page.elements if attributes.keys() & {"src", "href", "style"}]
    assert not re.search(r"https?://|url\(|@import", html)


def test_every_column_that_sorts_has_its_values() -> None:
    """But for the user's name, which the row begins with."""
    page = Page(as_html(survey(user(key(1)), user(name="bob"))))
    sortable = {attributes["data-sort"] for attributes in page.all("button")} - {"user"}

    rows = [attributes for attributes in page.all("tr") if attributes]

    assert sortable == {"decision", "next", "age", "used"}
    assert [sorted(row) for row in rows] == [sorted(f"data-{name}" for name in sortable)] * 2


def test_users_with_keys_who_are_not_tagged_are_named() -> None:
    others = (
        Bystander(name="legacy", why=Reason.NOT_TAGGED, keys=(key(412, last_use=used(3)),)),
        Bystander(name="closed", why=Reason.OUTSIDE_PATHS, unreadable=True),
    )

    text = " ".join(Page(as_html(survey(bystanders=others))).text.split())

    assert f"legacy (not tagged): {OLD_KEY}, 412 days old, used 2030-02-26, s3, eu-west-1 too old" in text
    assert "closed (outside paths): could not be looked at" in text


@pytest.mark.parametrize("width", [0, 1, 12, 26, 38])
def test_the_column_of_users_has_room_for_the_longest_address(width: int) -> None:
    """So none is broken where it could be mistaken for another one."""
    address = "a" * max(width - len("@example.com"), 1) + "@example.com"

    page = Page(as_html(survey(user(key(1), email=address))))

    (room,) = re.findall(r"--who: (\d+)ch", page.insets["style"])
    assert int(room) >= len(address)


def test_limits_of_ones_own_are_drawn_on_the_users_own_bar() -> None:
    """The style draws those that most users have; a bar with others would else show both."""
    own = UserPolicy(email="bob@example.com", rotate_after_days=30, delete_after_days=7, instruction="")

    html = as_html(survey(user(key(5)), user(key(5, NEW_KEY)), user(key(5, "AKIAFAKE00000000OWN1"), policy=own)))

    assert html.count('<svg class="own">') == 1
    assert "limit 30 + 7 days" in html
    assert "limit 80 + 5 days" not in html


def test_three_thousand_users_are_no_burden() -> None:
    """The page is mailed: a mailbox takes that. ``scripts/bench_report.py`` says how long a browser takes for it."""
    assert len(as_html(crowd.survey(3000)).encode()) < 1_500_000
