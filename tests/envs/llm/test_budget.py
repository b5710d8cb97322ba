from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wmil_envs.llm.budget import Budget, Reservation
from wmil_envs.llm.errors import BudgetExceeded
from wmil_envs.llm.settings import BudgetSettings
from wmil_envs.llm.store import Store


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite")


def test_by_default_no_call_is_allowed_and_the_sentence_says_how_to_raise_it(store: Store) -> None:
    with pytest.raises(BudgetExceeded) as refusal:
        Budget(BudgetSettings(), store).reserve(10, 10)
    sentence = str(refusal.value)
    assert sentence.startswith("no calls are allowed (the default)")
    assert '"budget": {"calls": N}' in sentence
    assert "wmil parent fill --dry-run" in sentence
    assert Budget(BudgetSettings(), store).spent().calls == 0


@pytest.mark.parametrize(
    ("limits", "n_allowed", "sentence"),
    [
        (BudgetSettings(calls=3), 3, "3 calls are allowed .* 3 are spent or reserved, and the next call needs 1"),
        (BudgetSettings(calls=None, tokens=100), 3, "100 tokens .* 90 are spent or reserved, .* needs up to 30"),
        (
            BudgetSettings(calls=None, dollars=0.001, input_price=10.0, output_price=20.0),
            2,
            r"0\.0010 dollars .* 0\.0010 are spent or reserved, .* up to 0\.0005",
        ),
    ],
    ids=["calls", "tokens", "dollars"],
)
def test_the_call_that_would_pass_a_limit_is_refused(
    store: Store, limits: BudgetSettings, n_allowed: int, sentence: str
) -> None:
    budget = Budget(limits, store)
    for _ in range(n_allowed):
        budget.reserve(10, 20)
    before = budget.spent()
    with pytest.raises(BudgetExceeded, match=sentence):
        budget.reserve(10, 20)
    assert budget.spent() == before, "a refused call costs nothing"


def test_what_was_used_takes_the_place_of_what_was_reserved(store: Store) -> None:
    budget = Budget(BudgetSettings(calls=None, input_price=1.0, output_price=2.0), store)
    first, second = budget.reserve(100, 1_000), budget.reserve(100, 1_000)
    budget.settle(first, 80, 30)
    budget.settle(first, 8_000, 3_000)
    spent = budget.spent()
    assert (spent.calls, spent.input_tokens, spent.output_tokens) == (2, 180, 1_030), "settled once"
    assert spent.dollars == pytest.approx((80 + 2 * 30 + 100 + 2 * 1_000) / 1e6)
    budget.settle(second, None, 5)
    assert (budget.spent().input_tokens, budget.spent().output_tokens) == (180, 35), "uncounted: as reserved"
    assert budget.spent().tokens == 215


def test_a_reservation_that_is_given_back_costs_nothing(store: Store) -> None:
    budget = Budget(BudgetSettings(calls=1), store)
    reservation = budget.reserve(1, 1)
    budget.cancel(reservation)
    assert budget.spent().calls == budget.spent().tokens == 0
    budget.settle(budget.reserve(1, 1), 1, 1)
    with pytest.raises(BudgetExceeded):
        budget.reserve(1, 1)


def test_a_new_run_goes_on_counting_and_an_unsettled_call_counts(store: Store) -> None:
    Budget(BudgetSettings(calls=2), store).reserve(5, 5)  # and then its process is killed
    budget = Budget(BudgetSettings(calls=2), Store(store.database.path))
    assert budget.spent().calls == 1
    budget.reserve(5, 5)
    with pytest.raises(BudgetExceeded):
        budget.reserve(5, 5)


def test_calls_without_prices_are_priced_when_a_limit_in_dollars_comes(store: Store) -> None:
    unpriced = Budget(BudgetSettings(calls=None), store)
    unpriced.settle(unpriced.reserve(1_000, 1_000), 1_000, 1_000)
    assert (unpriced.spent().dollars, unpriced.spent().unpriced_input_tokens) == (0.0, 1_000)
    priced = BudgetSettings(calls=None, dollars=0.003, input_price=1.0, output_price=1.0)
    Budget(priced, store).reserve(500, 500)
    with pytest.raises(BudgetExceeded, match=r"0\.0030 are spent or reserved"):
        Budget(priced, store).reserve(1, 1)


def _reserve_all(path: Path, results: multiprocessing.Queue) -> None:
    budget = Budget(BudgetSettings(calls=50), Store(path))

    def reserve(_: int) -> Reservation | None:
        try:
            return budget.reserve(1, 1)
        except BudgetExceeded:
            return None

    with ThreadPoolExecutor(8) as threads:
        results.put(sum(one is not None for one in threads.map(reserve, range(40))))


def test_all_threads_of_all_processes_stay_within_the_limit_together(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_reserve_all, args=(store.database.path, results)) for _ in range(3)]
    for process in processes:
        process.start()
    assert sum(results.get(timeout=60) for _ in processes) == 50
    for process in processes:
        process.join(60)
    assert Budget(BudgetSettings(), store).spent().calls == 50


def _sent(budget: Budget, clock: Clock, n: int, tokens: int = 10) -> list[float]:
    """When n calls would be sent that are reserved one after the other, each waiting as it is told."""
    times = []
    for _ in range(n):
        clock.now += budget.reserve(tokens, 0).seconds_to_wait
        times.append(clock.now)
    return times


@pytest.mark.parametrize("rate", [1.0, 2.5, 4.0, 0.5])
def test_no_window_holds_more_requests_than_the_rate_allows(store: Store, rate: float) -> None:
    clock = Clock()
    budget = Budget(BudgetSettings(calls=None, requests_per_minute=rate), store, clock)
    times = _sent(budget, clock, 9)
    n_most = max(1, int(rate))
    window = 60.0 * n_most / rate
    assert all(later - earlier >= window for earlier, later in zip(times, times[n_most:], strict=False))
    assert times[n_most - 1] == times[0], "the first ones at once"
    assert times[-1] - times[0] <= 9 * 60.0 / rate, "and no later than needed"


def test_no_minute_holds_more_tokens_than_the_rate_allows(store: Store) -> None:
    clock = Clock()
    budget = Budget(BudgetSettings(calls=None, tokens_per_minute=100), store, clock)
    times = _sent(budget, clock, 10, tokens=40)
    assert [time - times[0] for time in times] == [0, 0, 60, 60, 120, 120, 180, 180, 240, 240]
    clock.now += 1.0
    assert budget.seconds_until_allowed(20) == 0.0
    assert budget.seconds_until_allowed(21) == pytest.approx(59.0)
    assert budget.reserve(1_000, 0).seconds_to_wait == pytest.approx(59.0), "too much for any minute: alone in one"


def test_reservations_made_at_the_same_moment_are_sent_one_window_apart(store: Store) -> None:
    clock = Clock()
    budget = Budget(BudgetSettings(calls=None, requests_per_minute=1), store, clock)
    assert [budget.reserve(1, 1).seconds_to_wait for _ in range(3)] == [0.0, 60.0, 120.0]
    assert (
        Budget(BudgetSettings(requests_per_minute=1), Store(store.database.path), clock).seconds_until_allowed()
        == 180.0
    )


def test_without_rates_nobody_waits(store: Store) -> None:
    budget = Budget(BudgetSettings(calls=None), store)
    assert [budget.reserve(10**9, 10**9).seconds_to_wait for _ in range(20)] == [0.0] * 20
    assert budget.seconds_until_allowed() == 0.0
