"""The users of the playground. Four weeks are played in which the service has been at work; they end now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from scripts.local_cloud import reader
from scripts.local_cloud.clients import Credentials
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.mailbox import Mail

BEGINS = timedelta(days=29)
GROUP = "developers"
PATH = "/legacy/"
"""Of those who have no tag: ``--path /legacy/`` finds them."""

_STEP = timedelta(days=5)

EMAIL, LIMIT, GRACE = "IKR:EMAIL", "IKR:ROTATE_AFTER_DAYS", "IKR:DELETE_AFTER_DAYS"


@dataclass(frozen=True, kw_only=True)
class User:
    """A user who is given keys.

    Attributes:
        ages: how many days old each key is today.
        used: how many days ago the first key was last used; None: never, or not since the mail was opened with it.
        tags: beside the address.
        email: where mail goes; empty for an address like the name, None for no tag at all.
        inactive: whether the keys are deactivated.
    """

    name: str
    ages: tuple[float, ...]
    used: float | None = None
    email: str | None = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    inactive: bool = False

    @property
    def all_tags(self) -> dict[str, str]:
        """Give the tags, with the address."""
        if self.email is None:
            return dict(self.tags)
        return {EMAIL: self.email or f"{self.name}@example.com", **self.tags}


# Rotated four weeks ago, and never at their mail: the old key is deactivated.
DEACTIVATED = (User(name="wade", ages=(113,)), User(name="wilma", ages=(110,)))
# Rotated twelve days ago, and not at their mail so far: the grace is over, and the old key is put off day by day.
UNCONFIRMED = (User(name="ugo", ages=(95,)), User(name="ulla", ages=(94,)), User(name="uma", ages=(93,)))
# Rotated three days ago. Of these, two have switched.
SWITCHED = (
    User(name="gina", ages=(85,)),
    User(name="reporting-job", ages=(64,), email="data-team@example.com", tags={LIMIT: "60"}),
)
IN_GRACE = (*SWITCHED, User(name="alice", ages=(84,), used=0), User(name="greg", ages=(86,), used=0))
# Rotated three days ago, but the mail came back.
RETURNED = User(name="rita", ages=(84,), used=0)
# Somebody has changed the address today.
MOVED = User(name="hedy", ages=(43,), used=1)
# Their keys have grown too old since the last run, three days ago.
DUE = (
    User(name="dana", ages=(82.5,), used=0),
    User(name="deploy-web", ages=(82,), used=0),
    User(name="dirk", ages=(81,), used=12),
    User(name="doris", ages=(80.5,)),
)
# All is well with them, for now.
NOT_DUE = (
    User(name="sam", ages=(79,), used=1),
    User(name="sara", ages=(77,), used=0),
    User(name="silvio", ages=(74,), used=3),
    User(name="nadia", ages=(63,), used=0),
    User(name="nils", ages=(48,), used=2),
    User(name="nora", ages=(31,), used=0),
    User(name="norbert", ages=(12,)),
    User(name="ci-runner", ages=(5,), used=0),
    User(
        name="bob@example.com",
        ages=(28,),
        used=0,
        email="bob@example.com",
        tags={LIMIT: "30", GRACE: "10", "IKR:INSTRUCTION_0": "Put the new pair into the build server's secret store."},
    ),
    User(name="backup", ages=(5,), used=0, email="platform@example.com", tags={LIMIT: "7", GRACE: "2"}),
)
MISCONFIGURED = (
    User(name="mia", ages=(120,), used=4, tags={LIMIT: "soon"}),
    User(name="milo", ages=(44,), used=0, email="milo@elsewhere.example"),
    User(name="mona", ages=(70,), email="mona at example.com"),
)
# Left alone: a second key, made by hand; a key that an administrator has deactivated; no tag.
SECOND_KEY = (User(name="sid", ages=(95, 20), used=0), User(name="stan", ages=(60, 58), used=9))
STOPPED = (User(name="eli", ages=(150,), inactive=True),)
UNTAGGED = (
    User(name="legacy-ftp", ages=(730,), used=0, email=None),
    User(name="terry", ages=(140,), used=8, email=None),
    User(name="tina", ages=(3,), email=None),
    User(name="tom", ages=(35,), used=1, email=None),
)
KNOWN = (*IN_GRACE, RETURNED, MOVED, *DUE, *NOT_DUE, *MISCONFIGURED, *SECOND_KEY, *STOPPED)
PEOPLE = (*DEACTIVATED, *UNCONFIRMED, *KNOWN, *UNTAGGED)


def settle(cloud: LocalCloud) -> dict[str, Credentials]:
    """Play the four weeks, and give everybody's first key."""
    cloud.root.iam.create_group(GroupName=GROUP)
    keys: dict[str, Credentials] = {}
    for then, users in ((BEGINS, DEACTIVATED), (timedelta(days=12), UNCONFIRMED), (timedelta(days=3), KNOWN)):
        _pass_until(cloud, then)
        keys |= {user.name: _join(cloud, user) for user in users}
        cloud.rotate()
    cloud.return_mail(_mail_to(cloud, RETURNED))
    _pass_until(cloud, timedelta(days=2))
    for user in SWITCHED:
        _use(cloud, reader.open_sealed(_mail_to(cloud, user), keys[user.name], cloud.server))
    _pass_until(cloud, timedelta(0))
    keys |= {user.name: _join(cloud, user) for user in UNTAGGED}
    for user in PEOPLE:
        _work(cloud, user, keys[user.name])
    cloud.root.iam.tag_user(UserName=MOVED.name, Tags=[{"Key": EMAIL, "Value": "hedy.new@example.com"}])
    return keys


def _join(cloud: LocalCloud, user: User) -> Credentials:
    cloud.add_user(user.name, user.all_tags, path=PATH if user in UNTAGGED else "/")
    # What `--group developers --email '{user}@example.com'` makes of a name with an @ is no address.
    if "@" not in user.name:
        cloud.root.iam.add_user_to_group(GroupName=GROUP, UserName=user.name)
    since = cloud.server.clock.behind / timedelta(days=1)
    first, *_ = [cloud.add_key(user.name, days_old=age - since) for age in user.ages]
    if user.inactive:
        cloud.deactivate_key(user.name, first.access_key_id)
    return first


def _work(cloud: LocalCloud, user: User, pair: Credentials) -> None:
    """Have used a key, so many days ago."""
    if user.used is not None:
        with cloud.server.clock.set_back(timedelta(days=user.used)):
            _use(cloud, pair)


def _use(cloud: LocalCloud, pair: Credentials) -> None:
    cloud.clients(pair).sts.get_caller_identity()


def _mail_to(cloud: LocalCloud, user: User) -> Mail:
    return next(mail for mail in cloud.mails() if mail.to == user.all_tags[EMAIL])


def _pass_until(cloud: LocalCloud, behind: timedelta) -> None:
    """Let time pass until it is so long ago; every few days, what has fallen due is done."""
    while (left := cloud.server.clock.behind - behind) > timedelta(0):
        cloud.ledger.pass_days(min(left, _STEP) / timedelta(days=1))
