"""What ``scripts/invoke.py`` decides and shows.

names      which of the users that an operator named cannot be served, and why
question   what is asked before keys are changed
answer     the rotator's answer, laid out for people
"""
