"""Reads policies by name from standard input, and writes which kinds of finding Cloudsplaining has about each.

Run by ``scanners.py`` in the scanners' own virtual environment.
"""

from __future__ import annotations

import json
import sys

from cloudsplaining.scan.policy_document import PolicyDocument  # type: ignore[import-not-found]

KINDS = (
    "all_allowed_unrestricted_actions",
    "allows_data_exfiltration_actions",
    "allows_privilege_escalation",
    "contains_statement_using_not_action",
    "credentials_exposure",
    "infrastructure_modification",
    "permissions_management_without_constraints",
)

if __name__ == "__main__":
    documents = {name: PolicyDocument(policy) for name, policy in json.load(sys.stdin).items()}
    findings = {name: [kind for kind in KINDS if getattr(document, kind)] for name, document in documents.items()}
    json.dump(findings, sys.stdout)
