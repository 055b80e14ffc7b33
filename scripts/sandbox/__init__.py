"""What ``scripts/playground.py`` lays out beside the embedded cloud.

population  the users, of all sorts, and what has happened to their keys before today
shell       what a second terminal needs: an environment, the users' credentials, a command named pulumi
pulumi      that command: answers for the stack as far as the operators' scripts and the README ask
mails       the mails, as files, as they come
"""
