"""The budget: what may be spent, over all processes that share a store."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wmil_envs.llm.errors import BudgetExceeded
from wmil_envs.llm.settings import BudgetSettings
from wmil_envs.llm.store import Store

_MINUTE = 60.0
_MILLION = 1e6


class Reservation(NamedTuple):
    """One call that may be sent."""

    id: int
    """Its number in the store."""
    seconds_to_wait: float
    """How long to wait before it is sent, so that the rates per minute are kept; 0 as a rule."""


@dataclass(frozen=True)
class Spent:
    """What the calls of a store cost so far; what is reserved counts as spent until it is settled."""

    calls: int
    """Sent, failed ones included."""
    input_tokens: int
    """As reserved, where the server did not count."""
    output_tokens: int
    """As reserved, where the server did not count."""
    dollars: float
    """Of the calls that had prices."""
    unpriced_input_tokens: int
    """Of the calls without prices."""
    unpriced_output_tokens: int
    """Of the calls without prices."""

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


class Budget:
    """Reserve before each call, settle after it.

    All is counted in the store, in one transaction each: many processes together stay within the limits, a new run
    goes on counting where the last one stopped, and a call whose process was killed stays counted as reserved.

    Args:
        settings: the limits, the prices and the rates.
        store: where it is counted.
        clock: seconds since the epoch, the same for all processes.
    """

    def __init__(self, settings: BudgetSettings, store: Store, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock

    def reserve(self, input_tokens: int, output_tokens: int) -> Reservation:
        """Take one call of at most so many tokens out of the budget.

        Raises:
            BudgetExceeded: it would pass a limit; nothing is reserved then.
        """
        with self.store.database.writing() as connection:
            self._check(_spent(connection), input_tokens, output_tokens)
            now = self.clock()
            wait = self._wait(connection, now, input_tokens + output_tokens)
            dollars = self.dollars(input_tokens, output_tokens)
            _add(connection, 1, input_tokens, output_tokens, dollars)
            row = connection.execute(
                "INSERT INTO reservations (at, input_tokens, output_tokens, dollars, is_open) VALUES (?, ?, ?, ?, 1)",
                (now + wait, input_tokens, output_tokens, dollars),
            )
            assert row.lastrowid is not None
            return Reservation(row.lastrowid, wait)

    def settle(self, reservation: Reservation, input_tokens: int | None, output_tokens: int | None) -> None:
        """Replace what was reserved by what was used; None leaves the reserved number. Once: later calls do nothing."""
        with self.store.database.writing() as connection:
            reserved = _open(connection, reservation)
            if reserved is None:
                return
            old_input, old_output, old_dollars = reserved
            new_input = old_input if input_tokens is None else input_tokens
            new_output = old_output if output_tokens is None else output_tokens
            dollars = self.dollars(new_input, new_output)
            _add(connection, -1, -old_input, -old_output, None if old_dollars is None else -old_dollars)
            _add(connection, 1, new_input, new_output, dollars)
            connection.execute(
                "UPDATE reservations SET input_tokens = ?, output_tokens = ?, dollars = ?, is_open = 0 WHERE id = ?",
                (new_input, new_output, dollars, reservation.id),
            )

    def cancel(self, reservation: Reservation) -> None:
        """Give a reservation back: nothing was sent."""
        with self.store.database.writing() as connection:
            reserved = _open(connection, reservation)
            if reserved is not None:
                input_tokens, output_tokens, dollars = reserved
                _add(connection, -1, -input_tokens, -output_tokens, None if dollars is None else -dollars)
                connection.execute("DELETE FROM reservations WHERE id = ?", (reservation.id,))

    def seconds_until_allowed(self, tokens: int = 0) -> float:
        """How long the rates per minute would make a call of so many tokens wait now."""
        with self.store.database.reading() as connection:
            return 0.0 if connection is None else self._wait(connection, self.clock(), tokens)

    def spent(self) -> Spent:
        """What was spent so far, over all runs of the store."""
        with self.store.database.reading() as connection:
            return Spent(0, 0, 0, 0.0, 0, 0) if connection is None else _spent(connection)

    def dollars(self, input_tokens: int, output_tokens: int) -> float | None:
        """What so many tokens cost; None without prices."""
        if self.settings.input_price is None or self.settings.output_price is None:
            return None
        return (input_tokens * self.settings.input_price + output_tokens * self.settings.output_price) / _MILLION

    def _check(self, spent: Spent, input_tokens: int, output_tokens: int) -> None:
        limits = self.settings
        if limits.calls is not None and spent.calls + 1 > limits.calls:
            raise BudgetExceeded(self._sentence("calls", str(spent.calls), "1", str(limits.calls)))
        tokens = input_tokens + output_tokens
        if limits.tokens is not None and spent.tokens + tokens > limits.tokens:
            raise BudgetExceeded(self._sentence("tokens", str(spent.tokens), f"up to {tokens}", str(limits.tokens)))
        if limits.dollars is not None:
            unpriced = self.dollars(spent.unpriced_input_tokens, spent.unpriced_output_tokens) or 0.0
            so_far, cost = spent.dollars + unpriced, self.dollars(input_tokens, output_tokens) or 0.0
            if so_far + cost > limits.dollars:
                numbers = (f"{so_far:.4f}", f"up to {cost:.4f}", f"{limits.dollars:.4f}")
                raise BudgetExceeded(self._sentence("dollars", *numbers))

    def _sentence(self, what: str, spent: str, wanted: str, limit: str) -> str:
        asked = f"{limit} {what} are allowed" if limit != "0" else f"no {what} are allowed (the default)"
        return (
            f"{asked} over all runs with the store {self.store.database.path}, {spent} are spent or reserved, and the "
            f'next call needs {wanted}. Nothing was sent. To raise the limit, give the parent "budget": '
            f'{{"{what}": N}}; `wmil parent fill --dry-run` says how many a whole table takes'
        )

    def _wait(self, connection: sqlite3.Connection, now: float, tokens: int) -> float:
        limits = self.settings
        allowed = now
        if limits.requests_per_minute:
            n_most = max(1, int(limits.requests_per_minute))
            window = _MINUTE * n_most / limits.requests_per_minute
            allowed = _earliest([(at, 1) for at, _ in _since(connection, now - window)], 1, n_most, window, allowed)
        if limits.tokens_per_minute:
            recent = _since(connection, now - _MINUTE)
            allowed = _earliest(recent, tokens, limits.tokens_per_minute, _MINUTE, allowed)
        return allowed - now


def _earliest(recent: Sequence[tuple[float, int]], amount: int, limit: float, window: float, start: float) -> float:
    """When the amounts inside the window before that time leave room for another one.

    Args:
        recent: (time, amount), the latest first; some may lie ahead, being reserved.
        amount: to be added. One that passes the limit alone has to wait until the window is empty.
        limit: of the sum inside any window.
        window: in seconds.
        start: the answer is no earlier.
    """
    total = amount
    for at, past in recent:
        total += past
        if total > limit:
            return max(start, at + window)
    return start


def _since(connection: sqlite3.Connection, start: float) -> list[tuple[float, int]]:
    return connection.execute(
        "SELECT at, input_tokens + output_tokens FROM reservations WHERE at > ? ORDER BY at DESC", (start,)
    ).fetchall()


def _open(connection: sqlite3.Connection, reservation: Reservation) -> tuple[int, int, float | None] | None:
    row: tuple[int, int, float | None] | None = connection.execute(
        "SELECT input_tokens, output_tokens, dollars FROM reservations WHERE id = ? AND is_open", (reservation.id,)
    ).fetchone()
    return row


def _spent(connection: sqlite3.Connection) -> Spent:
    return Spent(*connection.execute("SELECT * FROM spent").fetchone())


def _add(
    connection: sqlite3.Connection, calls: int, input_tokens: int, output_tokens: int, dollars: float | None
) -> None:
    unpriced = (input_tokens, output_tokens) if dollars is None else (0, 0)
    connection.execute(
        "UPDATE spent SET calls = calls + ?, input_tokens = input_tokens + ?, output_tokens = output_tokens + ?, "
        "dollars = dollars + ?, unpriced_input_tokens = unpriced_input_tokens + ?, "
        "unpriced_output_tokens = unpriced_output_tokens + ?",
        (calls, input_tokens, output_tokens, dollars or 0.0, *unpriced),
    )
