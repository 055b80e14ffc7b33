"""Serves one user: looks at the keys, decides, and acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from functions.common import telemetry
from functions.common.entry import Entry, Status
from functions.common.errors import KeyLimitExceeded, LedgerConflict, MailError, Refused
from functions.common.keys import AccessKey, AccessKeys
from functions.common.parameters import parameter_name
from functions.rotator.case import Case
from functions.rotator.census import User
from functions.rotator.decide import Action, Decision, Reason, Rules, decide
from functions.rotator.mail_health import MailHealth
from functions.rotator.recover import recover
from functions.rotator.rotate import Tools, rotate
from functions.rotator.undo import undo


@dataclass(frozen=True, kw_only=True)
class Served:
    """What became of a user.

    Attributes:
        case: what was found, and first decided.
        rotated, recovered, taken_back: what was done.
        waits: whether there was something to do, and no time or no mail service to do it with.
        dormant: whether the key was deactivated, since it was never used.
        refused: why an operator's wish was not followed.
        instead: what was decided in the end, where nothing more was done.
    """

    case: Case
    rotated: bool = False
    recovered: bool = False
    taken_back: bool = False
    waits: bool = False
    dormant: bool = False
    refused: str | None = None
    instead: Decision | None = None


@dataclass(frozen=True, kw_only=True)
class Server:
    """Serves users, for all the workers of a run.

    Attributes:
        keys: IAM.
        tools: gives what the steps work with; built when there is first something to do.
        rules: what holds for a user.
        health: whether the mail service works.
        has_time: whether there is time to begin something.
        tell_operators: tells them a subject and a message.
        now: the clock.
    """

    keys: AccessKeys
    tools: Callable[[], Tools]
    rules: Callable[[User], Rules]
    health: MailHealth
    has_time: Callable[[], bool]
    tell_operators: Callable[[str, str], None]
    now: Callable[[], datetime]

    def look_at(self, user: User) -> Case:
        """Look at a user's keys, and decide; nothing is changed.

        Raises:
            ClientError, BotoCoreError: IAM refused.
        """
        keys = self.keys.of(user.name)
        if keys is None:
            return Case(user=user, keys=None, decision=Decision(action=Action.SKIP, reason=Reason.NO_SUCH_USER))
        return Case(user=user, keys=keys, decision=decide(keys, user.entries, self.rules(user), self.now()))

    def serve(self, user: User) -> Served:
        """Look at a user's keys, decide, and act.

        Raises:
            MailError, KeyRotatorError, ClientError, BotoCoreError: something failed, or AWS refused; see the steps.
        """
        case = self.look_at(user)
        if not case.is_due:
            return Served(case=case, refused=self._refusal(case))
        with self.health.turn():
            if self.health.is_down or not self.has_time():
                return Served(case=case, waits=True)
            try:
                served = self._act(case)
            except MailError as fault:
                self.health.note(user.name, fault)
                raise
            except LedgerConflict:
                return Served(case=case, instead=Decision(action=Action.SKIP, reason=Reason.UNDER_WAY))
            if served.rotated:
                self.health.accepted()
            return served

    def _act(self, case: Case) -> Served:
        match case.decision:
            case Decision(action=Action.RECOVER, entry=Entry() as entry):
                return self._recover(case, entry)
            case Decision(action=Action.TAKE_BACK, entry=Entry() as entry):
                return self._take_back(case, entry)
            case Decision(key=AccessKey() as key, entry=known):
                return self._rotate(case, key, known)
        raise AssertionError("unreachable: a case that is due has a key or an entry")

    def _recover(self, case: Case, entry: Entry) -> Served:
        user, tools = case.user, self.tools()
        if recover(user, entry, tools):
            return Served(case=case, recovered=True)
        keys = tools.keys.of(user.name) or []
        entries = [_current(entry) if other == entry else other for other in user.entries]
        decision = decide(keys, entries, self.rules(user), self.now())
        if decision.action is Action.ROTATE and decision.key is not None:
            return replace(self._rotate(case, decision.key, decision.entry), recovered=True)
        _drop_encryption_key(user, entry, tools)
        return Served(case=case, recovered=True, instead=decision)

    def _take_back(self, case: Case, entry: Entry) -> Served:
        user, tools, rules = case.user, self.tools(), self.rules(case.user)
        try:
            old = undo(user, entry, tools, anew=case.decision.anew)
        except Refused as refusal:
            if rules.has_new_address(user.entries, self.now()):
                tools.ledger.settle_address(user.entries, user.policy.email, user.id)
            if rules.again:
                return Served(case=case, refused=str(refusal))
            return Served(case=case, instead=Decision(action=Action.IN_GRACE))
        if not case.decision.anew:
            return Served(case=case, taken_back=True)
        return replace(self._rotate(case, old, _current(entry)), taken_back=True)

    def _rotate(self, case: Case, key: AccessKey, known: Entry | None) -> Served:
        user, tools = case.user, self.tools()
        in_doubt = known is not None and known.unconfirmed_since is not None and not self.rules(user).force
        if known is not None and in_doubt and not tools.keys.was_used(key.id):
            self._put_to_rest(user, known, tools)
            return Served(case=case, dormant=True)
        try:
            rotate(user, key, known, tools)
        except KeyLimitExceeded:
            return Served(case=case, instead=Decision(action=Action.SKIP, reason=Reason.FOREIGN_KEY))
        return Served(case=case, rotated=True)

    def _put_to_rest(self, user: User, known: Entry, tools: Tools) -> None:
        """Deactivate a key that was never used, rather than mail another one: nobody could open that mail either."""
        self.tell_operators(
            "An access key was never used, and has been deactivated",
            f"The access key {known.key_id} of IAM user {user.name} has reached its maximum age and was never used, "
            "so its user does not seem to have it. It has been deactivated. No new key was mailed, since the user "
            "would need a working key to decrypt it. Activate the key again if the user has it after all; otherwise "
            "delete it and make the user a new one.",
        )
        tools.keys.deactivate(user.name, known.key_id)
        tools.ledger.rest(known, self.now())
        telemetry.warning("key_dormant", user=user.name, key=known.key_id)

    def _refusal(self, case: Case) -> str | None:
        """Say why an operator's wish for another mail is not followed."""
        if not self.rules(case.user).again:
            return None
        match case.decision.reason:
            case None:
                return "no rotation waits for its new key to be used; to rotate the key now, use force"
            case Reason.ADDRESS_HELD:
                return "IKR:EMAIL has been changed; wait until the hold is over, or use force as well"
            case Reason.UNDELIVERABLE:
                return f"mail to {case.user.policy.email} came back; correct IKR:EMAIL, or use force as well"
            case other:
                return str(other).replace("_", " ")


def _current(entry: Entry) -> Entry:
    """Give an old key's entry as it is once its rotation has been taken back."""
    return Entry(
        user=entry.user,
        user_id=entry.user_id,
        key_id=entry.key_id,
        status=Status.CURRENT,
        created_at=entry.created_at,
        email=entry.email,
        pending_email=entry.pending_email,
        address_changed_at=entry.address_changed_at,
        undeliverable=entry.undeliverable,
        unconfirmed_since=entry.unconfirmed_since,
        failures=entry.failures,
        try_again_on=entry.try_again_on,
    )


def _drop_encryption_key(user: User, entry: Entry, tools: Tools) -> None:
    """Delete the encryption key of a rotation that was taken back, and that no other one follows."""
    if entry.sealed_by:
        tools.secrets().remove_if_for(parameter_name(user.name, user.id), entry.sealed_by)
