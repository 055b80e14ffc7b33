"""Take the service down: show what that means, and then do it in the order in which it works."""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/take_down.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.take_down")

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import boto3

from components.previous import SECRETS_KEY_ARN
from functions.common.entry import Entry, Status
from scripts import aws, consent
from scripts.aws import Mishap
from scripts.taking_down import remains
from scripts.taking_down.remains import Remains, SecretsKey
from scripts.taking_down.stack import Stack
from scripts.terminal import printable

DESCRIPTION = """\
Take the service down. Shows what it will do and what stays behind, asks, and
then detaches the decryption policy, lifts the protection of the ledger, and
runs `pulumi destroy`. It can be run again if it was interrupted."""

EPILOG = """\
examples:
  .venv/bin/python scripts/take_down.py --dry-run
      show what would be done, and what would stay
  .venv/bin/python scripts/take_down.py --stack prod
      take down the stack prod
  .venv/bin/python scripts/take_down.py --detach-only
      take the decryption policy from everybody, and leave the service as it is

exit codes: 0 done; 1 it failed or was declined, and the message says why;
2 the command was not understood; 130 interrupted, once Pulumi has stopped"""

_UNDER_WAY = {Status.ROTATING, Status.DELIVERING}
_STACK, _TABLE, _POLICY = "pulumi:pulumi:Stack", "aws:dynamodb/table:Table", "aws:iam/policy:Policy"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; argparse itself exits with 2 when it does not understand."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _take_down(options, parser)
    except aws.FAULTS as error:
        print(printable(aws.explain(error)), file=sys.stderr)
        return 1
    except Mishap as mishap:
        print(printable(mishap), file=sys.stderr)
        return 1
    except KeyboardInterrupt as interruption:
        print(str(interruption) or "Interrupted. Nothing was done.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="take_down.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", metavar="NAME", help="the Pulumi stack (default: the one that is selected)")
    aws.add_options(parser, region="the AWS region it is in, if the stack's configuration does not say")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")
    how.add_argument("--detach-only", action="store_true", help="only take the decryption policy from everybody")
    parser.add_argument("--yes", action="store_true", help="skip the confirmation prompt")
    return parser


def _take_down(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    stack = Stack(options.stack)
    service = _look(stack, options)
    for line in _plan(service, detach_only=options.detach_only):
        print(printable(line))
    if options.dry_run:
        return
    _confirm(options, parser)
    try:
        _detach(service)
        if options.detach_only:
            return
        _lift_protection(stack, service)
        if not stack.destroy():
            raise Mishap("Pulumi could not delete everything: see above. Run this again when the cause is fixed.")
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Interrupted: what was done stays done. Run this again to go on.") from None
    print("The service is down.")
    for line in _what_stays(_with_date_of_deletion(service)):
        print(printable(line))


@dataclass(frozen=True, kw_only=True)
class Service:
    """What is there to take down. ``table`` and ``policy_arn`` are None where an earlier run has deleted them."""

    session: boto3.Session
    resources: Sequence[Mapping[str, Any]]
    table: str | None
    policy_arn: str | None
    remains: Remains


def _look(stack: Stack, options: argparse.Namespace) -> Service:
    resources = stack.resources()
    if not resources:
        raise Mishap("This stack has nothing to take down.")
    options.region = options.region or stack.region()
    session = aws.session(options)
    table = _existing_table(session, [resource for resource in resources if resource["type"] == _TABLE])
    policies = [resource["id"] for resource in resources if resource["type"] == _POLICY]
    policy_arn = policies[0] if policies else None
    # The stack itself goes last: its outputs still tell of the key when an earlier run has deleted that.
    outputs = [resource.get("outputs", {}) for resource in resources if resource["type"] == _STACK]
    return Service(
        session=session,
        resources=resources,
        table=table,
        policy_arn=policy_arn,
        remains=remains.find(
            session,
            table=table,
            policy_arn=policy_arn,
            secrets_key_arn=outputs[0].get(SECRETS_KEY_ARN) if outputs else None,
        ),
    )


def _with_date_of_deletion(service: Service) -> Remains:
    """Ask KMS when it deletes the stack's own key, now that it is told to."""
    before = service.remains.secrets_key
    after = remains.secrets_key(service.session.client("kms"), before.arn) if before else None
    return replace(service.remains, secrets_key=after)


def _detach(service: Service) -> None:
    for holder in service.remains.holders:
        remains.detach(service.session.client("iam"), str(service.policy_arn), holder)
        print(printable(f"Detached the decryption policy from the {holder.kind} {holder.name}."))


def _lift_protection(stack: Stack, service: Service) -> None:
    """Lift both protections of the ledger: Pulumi's and DynamoDB's."""
    for resource in service.resources:
        if resource.get("protect"):
            stack.unprotect(resource["urn"])
    if service.table:
        service.session.client("dynamodb").update_table(TableName=service.table, DeletionProtectionEnabled=False)
    print("Lifted the protection of the ledger.", flush=True)


def _existing_table(session: boto3.Session, tables: Sequence[Mapping[str, Any]]) -> str | None:
    """Find the ledger, unless an earlier run has deleted it."""
    dynamodb = session.client("dynamodb")
    for table in tables:
        try:
            return dynamodb.describe_table(TableName=table["id"])["Table"]["TableName"]
        except dynamodb.exceptions.ResourceNotFoundException:
            continue
    return None


def _confirm(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    if options.yes:
        return
    if not consent.can_be_asked():
        parser.error("nobody is here to confirm it: add --yes, or --dry-run to look first")
    if not consent.is_given("Go on?"):
        raise Mishap("Nothing was done.")


def _plan(service: Service, *, detach_only: bool) -> Iterator[str]:
    yield "This will:"
    for holder in service.remains.holders:
        yield f"  - detach the decryption policy from the {holder.kind} {holder.name}"
    if detach_only:
        if not service.remains.holders:
            yield "  - do nothing: the decryption policy is attached to nobody"
        return
    if service.table:
        yield f"  - lift the protection of the ledger {service.table}, and delete it"
    owned = [each for each in service.resources if each.get("custom") and not each["type"].startswith("pulumi:")]
    yield f"  - delete everything that the stack has made: {len(owned)} resources"
    yield from _what_stays(service.remains)


def _what_stays(found: Remains) -> Iterator[str]:
    """Say what nobody looks after any more, and what can be done about it."""
    under_way = sorted({entry.user for entry in found.unfinished if entry.status in _UNDER_WAY})
    if under_way:
        yield f"Rotations under way: {', '.join(under_way)}. Let the next run finish them first."
    in_grace = [entry for entry in found.unfinished if entry.status not in _UNDER_WAY]
    if in_grace:
        yield f"Users in grace ({len(in_grace)}): both keys stay, and nothing deletes the old one. Once it is not used:"
        yield from (f"  {_of(entry)}" for entry in in_grace)
    if found.unreadable:
        yield f"Ledger items that cannot be read: {found.unreadable}. Their keys stay as they are."
    if found.encryption_keys:
        yield f"Encryption keys ({len(found.encryption_keys)}) stay in SSM: without them no mail can be decrypted."
        yield from _how_to_open(found.secrets_key)
        yield "Once the mails are decrypted:"
        yield from (f"  aws ssm delete-parameter --name {shlex.quote(name)}" for name in found.encryption_keys)
        if found.secrets_key:
            yield f"  aws kms schedule-key-deletion --key-id {found.secrets_key.arn}"
    elif found.secrets_key:
        yield f"No mail needs the stack's KMS key any more: KMS deletes it {_when(found.secrets_key)}."
    if not (found.unfinished or found.unreadable or found.encryption_keys):
        yield "No user is in grace, and no encryption key is left."
    yield "Every access key stays as it is. Tags IKR:… on users do no harm."


def _how_to_open(key: SecretsKey | None) -> Iterator[str]:
    """Say who can still read the encryption keys, and for how long."""
    if key is None:
        yield "Without the policy, users cannot read them; an administrator can."
        return
    yield f"They lie under the stack's KMS key, which KMS deletes {_when(key)}: no mail can be decrypted after that."
    yield "To keep the key, once the service is down:"
    yield f"  aws kms cancel-key-deletion --key-id {key.arn}"
    yield f"  aws kms enable-key --key-id {key.arn}"
    yield "It opens each encryption key for its user alone, and for no administrator. A user who still has to read one"
    yield "needs a policy that allows ssm:GetParameter on it, and kms:Decrypt on the KMS key."


def _when(key: SecretsKey) -> str:
    return f"on {key.deleted_on:%Y-%m-%d}" if key.deleted_on else "30 days after the take-down"


def _of(entry: Entry) -> str:
    until = f", due {entry.delete_on:%Y-%m-%d}" if entry.delete_on else ""
    # What the ledger holds goes into a shell as a word, whoever wrote it.
    command = ["aws", "iam", "delete-access-key", "--user-name", entry.user, "--access-key-id", entry.key_id]
    return f"{shlex.join(command)}   # {entry.status}{until}"
