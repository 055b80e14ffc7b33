"""The demo's play: what ``scripts/demo.py`` shows and proves.

    cast   the people, and the ages of their keys
    stage  the cloud, the screen, the mails that came, and the proofs so far
    story  the scenes, in order

Start reading at ``story``.
"""
