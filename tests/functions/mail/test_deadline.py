from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from functions.mail.deadline import Deadline, cut_off

SECRET = "not-a-real-secret"


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        yield mine, theirs


def hear(connection: socket.socket) -> bytes:
    """Wait for a word; the error about a line that is dead quotes the mail, as libraries' errors may."""
    connection.settimeout(5)
    try:
        word = connection.recv(1)
    except TimeoutError:
        pytest.fail("nobody has cut the line")
    if not word:
        raise ConnectionError(SECRET)
    return word


def test_conversation_that_takes_too_long_is_cut_off(line: tuple[socket.socket, socket.socket]) -> None:
    mine, _ = line

    with pytest.raises(TimeoutError, match=r"^not done in time$") as late, cut_off(0.05, lambda: mine):
        hear(mine)

    assert late.value.__cause__ is None
    assert late.value.__suppress_context__


def test_connection_that_is_made_too_late_is_cut_off_as_well(line: tuple[socket.socket, socket.socket]) -> None:
    """It changes with STARTTLS, and there is none before the server's name is looked up."""
    mine, _ = line
    connections = iter([None, None])

    with pytest.raises(TimeoutError), cut_off(0.0, lambda: next(connections, mine)):
        hear(mine)


def test_conversation_that_is_done_in_time_is_left_alone(line: tuple[socket.socket, socket.socket]) -> None:
    mine, theirs = line
    theirs.sendall(b"1")

    with cut_off(60, lambda: mine):
        assert hear(mine) == b"1"

    theirs.sendall(b"2")
    assert hear(mine) == b"2"


def test_fault_of_a_conversation_in_time_is_its_own(line: tuple[socket.socket, socket.socket]) -> None:
    mine, _ = line

    with pytest.raises(ValueError, match="no mail"), cut_off(60, lambda: mine):
        raise ValueError("no mail")


def test_conversation_may_be_given_more_time_on_the_way() -> None:
    """The answer to a mail may take longer than all that comes before it."""
    deadline = Deadline(0)
    assert deadline.left <= 0

    deadline.allow(60)

    assert 0 < deadline.left <= 60


def test_time_that_was_given_on_the_way_counts(line: tuple[socket.socket, socket.socket]) -> None:
    """The first limit passes while the other end still thinks, and the line stays open."""
    mine, theirs = line
    looked_for = []

    def connection() -> socket.socket:
        looked_for.append(mine)
        return mine

    with cut_off(0.05, connection) as deadline:
        deadline.allow(60)
        theirs.settimeout(0.2)
        with pytest.raises(TimeoutError):
            theirs.recv(1)  # nobody says anything for longer than the first limit
        theirs.sendall(b"1")
        assert hear(mine) == b"1"

    assert looked_for == []
