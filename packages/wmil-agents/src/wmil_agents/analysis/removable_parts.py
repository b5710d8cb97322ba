"""The parts of a model that can be taken away one at a time: heads, attention, MLPs, tokens, each as edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from torch import nn

from wmil_agents.extractors.history import HistoryExtractor
from wmil_agents.extractors.token_names import token_names
from wmil_agents.extractors.tokenize import CategoricalTokenizer, DictTokenizer, ElementTokenizer, Tokenizer
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.surgery.anatomy import HasPolicy, module_of
from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.edits.head_mask import HeadMask
from wmil_agents.surgery.edits.scale import Scale
from wmil_agents.surgery.target_list import targets

PartKind = Literal["head", "attention", "mlp", "token", "pair", "control"]

_ATTENTION_OUT, _MLP_OUT = ("out", "out_proj"), ("mlp_out", "linear2")
"""What their last layers are called, in our transformer and in torch's."""
_OF_THE_POLICY = ("pi_features_extractor", "actor", "q_net")
"""Where a policy of Stable-Baselines3 keeps the networks that it acts by; its critics decide nothing."""


@dataclass(frozen=True)
class Part:
    """What can be taken away."""

    name: str
    """For people, who count layers and heads from 1."""
    kind: PartKind
    edits: tuple[Edit, ...]
    """That take it away."""
    layer: int | None = None
    """Which attention module, from 0, in the model's order."""
    heads: tuple[int, ...] = ()
    """From 0."""


def removable_parts(model: nn.Module | HasPolicy) -> tuple[Part, ...]:
    """The parts of a model, those that only its critic uses left out.

    A head loses its columns in the output projection; the attention of a layer and its MLP lose their whole output,
    biases included, so that only the residual stream is left; a token becomes the zero vector. Tokens are those of
    `TransformerExtractor`, one for each attribute, and of `HistoryExtractor`, observation and previous action.

    Args:
        model: a torch module or an algorithm of Stable-Baselines3, with our transformer, `nn.TransformerEncoder`, or
            other layers around `nn.MultiheadAttention`.

    Raises:
        ValueError: it has no attention heads.
    """
    module = module_of(model)
    root = _acting(module)
    prefix = f"{root}." if root else ""
    heads = [one for one in targets(module).values() if one.kind == "out" and one.name.startswith(prefix)]
    if not heads:
        raise ValueError(f"{type(module).__name__} has no attention heads, so there is nothing to take away")
    places = list(dict.fromkeys(one.module for one in heads))
    layers = {place: layer for layer, place in enumerate(places)}
    found = [
        Part(
            f"layer {layers[one.module] + 1}, head {one.head + 1}",
            "head",
            (HeadMask(one.module, head=one.head),),
            layers[one.module],
            (one.head,),
        )
        for one in heads
        if one.head is not None
    ]
    for place, layer in layers.items():
        for edit in _last_layer(module, place, _ATTENTION_OUT):
            found.append(Part(f"layer {layer + 1}, attention", "attention", (edit,), layer))
    for block, layer in {place.rpartition(".")[0]: layer for place, layer in layers.items()}.items():
        for edit in _last_layer(module, block, _MLP_OUT):
            found.append(Part(f"layer {layer + 1}, MLP", "mlp", (edit,), layer))
    return (*found, *_tokens(module, prefix))


def action_head(model: nn.Module | HasPolicy) -> tuple[Edit, ...]:
    """The edit that makes a policy of discrete actions uniform; none for a model that has no such head."""
    module = module_of(model)
    return (Scale("action_net", -1.0),) if isinstance(module, ActorCriticPolicy) else ()


def _acting(module: nn.Module) -> str:
    """The name of the network that actions come from; '' for all of the module."""
    names: dict[int, str] = {id(part): name for name, part in module.named_modules()}
    for name in _OF_THE_POLICY:
        part = getattr(module, name, None)
        if isinstance(part, nn.Module):
            return names[id(part)]
    return ""


def _last_layer(module: nn.Module, place: str, names: Sequence[str]) -> list[Edit]:
    """The edit that sets a part's output to 0; none where it has no such layer."""
    part = module.get_submodule(place)
    present = [name for name in names if isinstance(getattr(part, name, None), nn.Linear)]
    return [Scale(".".join(filter(None, (place, name))), -1.0) for name in present]


def _tokens(module: nn.Module, prefix: str) -> Iterator[Part]:
    """Those of the first extractor that actions come from."""
    for place, extractor in module.named_modules():
        if not f"{place}.".startswith(prefix):
            continue
        if isinstance(extractor, TransformerExtractor) and isinstance(module, BasePolicy):
            yield Part("query token", "token", (Scale(f"{place}.query", -1.0),))
            names = token_names(extractor, module.observation_space)[1:]
            yield from _attributes(extractor.tokenizer, f"{place}.tokenizer", names)
            return
        if isinstance(extractor, HistoryExtractor):
            yield Part("observation", "token", (Scale(f"{place}.observation_embedding", -1.0),))
            actions = (Scale(f"{place}.action_embedding", -1.0), Scale(f"{place}.no_action", -1.0))
            yield Part("previous action", "token", actions)
            return


def _attributes(tokenizer: Tokenizer, place: str, names: Sequence[str]) -> Iterator[Part]:
    """The tokens of an observation; those that share their weights, as the rows of a set do, together."""
    match tokenizer:
        case CategoricalTokenizer():
            rows = pairwise([*tokenizer.offsets.tolist(), tokenizer.n_rows])
            for name, (start, stop) in zip(names, rows, strict=True):
                yield Part(name, "token", (Scale(f"{place}.table.weight[{start}:{stop}]", -1.0),))
        case ElementTokenizer():
            for column, name in enumerate(names):
                edits = tuple(Scale(f"{place}.{own}[{column}]", -1.0) for own in ("weight", "bias"))
                yield Part(name, "token", edits)
        case DictTokenizer():
            first = 0
            for number, entry in enumerate(tokenizer.entries):
                assert isinstance(entry, Tokenizer)
                own = names[first : first + entry.n_tokens]
                yield from _attributes(entry, f"{place}.entries.{number}", own)
                first += entry.n_tokens
        case _:
            together = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}"
            yield Part(together, "token", (Scale(place, -1.0),))
