"""What ``scripts/tag_iam_users.py`` stands on.

tag_file   the file that says which tags which users get
csv_file   a tag file that a spreadsheet has written
members    the users of a group, or below a path
plan       what a user's tags are, and what is to change: read, shown, and done
"""
