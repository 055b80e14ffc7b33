"""What the report on access keys consists of.

survey    reads the account, and has the rotator's own code decide
table     for a terminal
exports   for programs: JSON and CSV
page      for a browser; timeline lays out its bars, and page.html.j2, page.css and page.js are its parts
"""
