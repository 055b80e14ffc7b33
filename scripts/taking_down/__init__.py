"""What ``scripts/take_down.py`` stands on.

stack        the stack, as Pulumi's command line tells of it and changes it
remains      what AWS holds that the stack does not: policy attachments, users in grace, encryption keys, the KMS key
"""
