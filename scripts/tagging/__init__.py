"""What ``scripts/tag_iam_users.py`` stands on, beside ``scripts/tag_file.py``.

csv_file   a tag file that a spreadsheet has written
members    the users of a group, or below a path
plan       what a user's tags are, and what is to change: read, shown, and done
"""
