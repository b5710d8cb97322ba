from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import nn

from wmil_agents.networks.transformer import Transformer
from wmil_agents.surgery import Gains, Scale, SurgicalTheater

Bits = Callable[[nn.Module], dict[str, bytes]]


def in_another_thread(function: Callable[[], object]) -> BaseException | None:
    """What it raises there."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return raised[0] if raised else None


def test_theaters_can_be_nested(transformer: Transformer, bits: Bits) -> None:
    before = bits(transformer)
    with SurgicalTheater(transformer, Gains("*", 0.2)):
        between = bits(transformer)
        with SurgicalTheater(transformer.blocks[0], Scale("", 0.5)):
            assert bits(transformer) != between
        assert bits(transformer) == between
    assert bits(transformer) == before


def test_closing_the_outer_one_first_is_refused(transformer: Transformer, bits: Bits) -> None:
    before = bits(transformer)
    outer = SurgicalTheater(transformer, Gains("*", 0.2)).__enter__()
    inner = SurgicalTheater(transformer.blocks[0], Scale("", 0.5)).__enter__()
    within = bits(transformer)
    with pytest.raises(RuntimeError, match="opened later on the same model is still open: close that one first"):
        outer.__exit__(None, None, None)
    assert bits(transformer) == within
    inner.__exit__(None, None, None)
    outer.__exit__(None, None, None)
    assert bits(transformer) == before


def test_different_models_may_close_in_any_order() -> None:
    models = [nn.Linear(2, 2), nn.Linear(2, 2)]
    theaters = [SurgicalTheater(model, Scale("weight", 0.5)).__enter__() for model in models]
    for theater in theaters:
        theater.__exit__(None, None, None)


def test_models_that_share_a_parameter_are_one_model() -> None:
    models = [nn.Linear(2, 2), nn.Linear(2, 2)]
    models[1].weight = models[0].weight
    outer, inner = (SurgicalTheater(model, Scale("weight", 0.5)).__enter__() for model in models)
    with pytest.raises(RuntimeError, match="close that one first"):
        outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    outer.__exit__(None, None, None)


def test_a_theater_cannot_be_entered_twice(transformer: Transformer, bits: Bits) -> None:
    before, theater = bits(transformer), SurgicalTheater(transformer, Gains("*", 0.2))
    with theater:
        within = bits(transformer)
        with pytest.raises(RuntimeError, match="this theater is in use: make another one"):
            theater.__enter__()
        assert bits(transformer) == within
    assert bits(transformer) == before
    with pytest.raises(RuntimeError, match="can be left only while it is in use"):
        theater.__exit__(None, None, None)


def test_another_thread_is_refused(transformer: Transformer, bits: Bits) -> None:
    before, theater = bits(transformer), SurgicalTheater(transformer, Gains("*", 0.2))
    other = SurgicalTheater(transformer, Scale("norm.bias", 0.5))
    with theater:
        within = bits(transformer)
        for function, message in [
            (theater.__enter__, "this theater is in use by another thread"),
            (other.__enter__, "another thread is operating on this model"),
            (theater.keep, "in use by another thread, and cannot be kept by this one"),
            (lambda: theater.operate([0.0] * 16), "cannot be operated in by this one"),
            (lambda: theater.__exit__(None, None, None), "cannot be left by this one"),
        ]:
            error = in_another_thread(function)
            assert isinstance(error, RuntimeError)
            assert message in str(error)
            assert bits(transformer) == within
        another_model = SurgicalTheater(nn.Linear(2, 2), Scale("weight", 0.5))
        assert in_another_thread(lambda: another_model.__enter__().__exit__(None, None, None)) is None
    assert bits(transformer) == before
    assert in_another_thread(lambda: other.__enter__().__exit__(None, None, None)) is None


def test_threads_with_models_of_their_own_do_not_meet(bits: Bits) -> None:
    models = [Transformer(width=8, n_layers=1, n_heads=2) for _ in range(4)]
    before = [bits(model) for model in models]

    def work(model: nn.Module) -> None:
        theater = SurgicalTheater(model, Gains("*", 0.1))
        for _ in range(300):
            with theater, SurgicalTheater(model, Scale("norm", 0.1)), torch.no_grad():
                model(torch.zeros(1, 2, 8))

    errors: list[BaseException | None] = []
    threads = [
        threading.Thread(target=lambda model=model: errors.append(in_another_thread(lambda: work(model))))
        for model in models
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [None] * 4
    assert [bits(model) for model in models] == before
