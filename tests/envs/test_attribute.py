from __future__ import annotations

import pickle

import numpy as np
import pytest
from gymnasium import spaces

from wmil_envs.attribute import Attribute, AttributeSpace


def test_the_space_is_a_multidiscrete_that_knows_its_columns() -> None:
    space = AttributeSpace([Attribute("colour", 3, optional=True), Attribute("size", 2)], seed=0)
    assert isinstance(space, spaces.MultiDiscrete)
    assert space.nvec.tolist() == [3, 2]
    assert space.contains(space.sample())
    assert space.dtype == np.int32
    assert repr(space) == "AttributeSpace(colour=3, size=2)"


def test_equality_and_pickles_keep_the_attributes() -> None:
    space = AttributeSpace([Attribute("colour", 3, optional=True)])
    assert pickle.loads(pickle.dumps(space)) == space
    assert space != AttributeSpace([Attribute("colour", 3)])
    assert space != spaces.MultiDiscrete([3])


def test_bad_attributes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 value"):
        Attribute("colour", 0)
    with pytest.raises(ValueError, match="has 2 values but 1 labels"):
        Attribute("colour", 2, labels=("red",))
    with pytest.raises(ValueError, match="hidden attributes are no part"):
        AttributeSpace([Attribute("secret", 2, hidden=True)])
    with pytest.raises(ValueError, match="at least one attribute"):
        AttributeSpace([])
