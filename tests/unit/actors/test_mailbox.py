"""The four overflow policies, and what happens to those who wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.errors import DeadRef, MailboxFull
from actors.mailbox import Ask, Mailbox, MailboxSpec, Overflow


def drained(mailbox: Mailbox) -> list[Any]:
    return [mailbox.take() for _ in range(len(mailbox))]


def ask(message: str) -> Ask:
    return Ask(message, asyncio.get_running_loop().create_future())


async def test_block_refuses_without_waiting_and_admits_in_order_when_waiting() -> None:
    mailbox = Mailbox(MailboxSpec(capacity=2), path="m")
    assert mailbox.offer(1)
    assert mailbox.offer(2)
    assert not mailbox.offer(3)
    senders = [asyncio.ensure_future(mailbox.put(n)) for n in (3, 4)]
    await asyncio.sleep(0)
    assert mailbox.take() == 1
    await asyncio.sleep(0)
    assert (senders[0].done(), senders[1].done()) == (True, False)
    assert mailbox.take() == 2
    await asyncio.gather(*senders)
    assert drained(mailbox) == [3, 4]
    assert mailbox.stats().peak == 2


async def test_a_sender_that_leaves_passes_its_room_on() -> None:
    mailbox = Mailbox(MailboxSpec(capacity=1), path="m")
    mailbox.offer("first")
    leaver, stayer = (asyncio.ensure_future(mailbox.put(n)) for n in ("leaver", "stayer"))
    await asyncio.sleep(0)
    mailbox.take()  # gives room to the leaver
    leaver.cancel()
    await asyncio.wait({leaver})
    await asyncio.wait_for(stayer, 1)
    assert drained(mailbox) == ["stayer"]


async def test_coalesce_keeps_the_newest_message_in_the_place_of_the_oldest() -> None:
    mailbox = Mailbox(MailboxSpec(capacity=2, key=lambda message: message[0]), path="m")
    assert mailbox.offer(("a", 1))
    assert mailbox.offer(("b", 1))
    assert mailbox.offer(("a", 2))
    assert not mailbox.offer(("c", 1))
    assert drained(mailbox) == [("a", 2), ("b", 1)]
    assert mailbox.offer(("a", 3))
    assert drained(mailbox) == [("a", 3)]
    assert mailbox.stats().coalesced == 1


async def test_asks_never_coalesce() -> None:
    mailbox = Mailbox(MailboxSpec(capacity=9, key=lambda message: "same"), path="m")
    asks = [ask("x"), ask("x")]
    assert all(mailbox.offer(item) for item in asks)
    assert drained(mailbox) == asks


async def test_drop_oldest_fails_the_asker_it_drops() -> None:
    mailbox = Mailbox(MailboxSpec(capacity=2, overflow=Overflow.DROP_OLDEST), path="m")
    dropped = ask("old")
    assert mailbox.offer(dropped)
    assert mailbox.offer(2)
    assert mailbox.offer(3)
    assert drained(mailbox) == [2, 3]
    assert mailbox.stats().dropped == 1
    with pytest.raises(MailboxFull):
        dropped.reply.result()


async def test_close_reports_the_overflow() -> None:
    overflows: list[None] = []
    mailbox = Mailbox(MailboxSpec(capacity=1, overflow=Overflow.CLOSE), path="m")
    mailbox.on_overflow = lambda: overflows.append(None)
    assert mailbox.offer(1)
    assert not mailbox.offer(2)
    assert overflows == [None]
    with pytest.raises(MailboxFull):
        await mailbox.put(2)


async def test_a_closed_mailbox_frees_everybody_who_waits() -> None:
    mailbox = Mailbox(MailboxSpec(capacity=1), path="m")
    asked = ask("x")
    mailbox.offer(asked)
    sender = asyncio.ensure_future(mailbox.put("y"))
    await asyncio.sleep(0)
    mailbox.close()
    with pytest.raises(DeadRef):
        await sender
    with pytest.raises(DeadRef):
        await asked.reply
    with pytest.raises(DeadRef):
        mailbox.offer("z")


@pytest.mark.parametrize(
    ("capacity", "overflow", "key"),
    [
        pytest.param(0, Overflow.BLOCK, None, id="no room at all"),
        pytest.param(1, Overflow.COALESCE, None, id="coalesce without key"),
        pytest.param(1, Overflow.DROP_OLDEST, len, id="key without coalesce"),
    ],
)
def test_nonsense_is_refused(capacity: int, overflow: Overflow, key: Any) -> None:
    with pytest.raises(ValueError, match=r"capacity|key"):
        MailboxSpec(capacity=capacity, overflow=overflow, key=key)
