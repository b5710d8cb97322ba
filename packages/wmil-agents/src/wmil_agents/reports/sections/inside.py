"""Inside the policies: what attends to what, and where the hidden features lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wmil_agents.plots.inner_views import attention_view, feature_view
from wmil_agents.reports.blocks import Missing, figure, grid, note, section
from wmil_agents.reports.heat_map import heat_map
from wmil_agents.reports.markup import Markup
from wmil_agents.reports.scale import percent
from wmil_agents.reports.scatter import scatter
from wmil_agents.runs.recorded_arm import RecordedArm

_MOST_ARMS = 4


def inside(arms: Sequence[RecordedArm]) -> Markup | Missing:
    """The section, from the samples of the runs' episode logs."""
    figures = [figure for arm in arms[:_MOST_ARMS] for figure in (*_attention(arm, arms), *_features(arm, arms))]
    if not figures:
        words = "not sampled: train with episodes.every=1, episodes.attention=true and episodes.features=true"
        return Missing("Attention and hidden features", words)
    remark = (
        "From the last samples of one run. Each row of an attention map adds up to 100 (percent): how much the token of "
        "that row takes from each column. Points are hidden features in the plane of their first two principal components."
    )
    return section("inside", "Inside the policy", grid(figures), note(remark))


def _attention(arm: RecordedArm, arms: Sequence[RecordedArm]) -> Iterator[Markup]:
    view = attention_view(arm)
    if view is None:
        return
    for layer, weights in enumerate(view.weights, start=1):
        name = f"Attention, layer {layer}{_whose(arm, arms)}"
        sentence = f"Mean over heads and {view.n_samples} samples of seed {view.seed}"
        yield figure(name, heat_map(name, sentence, weights, view.tokens, view.tokens, float(view.weights.max())))


def _features(arm: RecordedArm, arms: Sequence[RecordedArm]) -> Iterator[Markup]:
    view = feature_view(arm)
    if view is None:
        return
    shares = " and ".join(percent(share) for share in view.shares)
    for column, labels in view.labels.items():
        name = f"Hidden features by {column}{_whose(arm, arms)}"
        sentence = f"{len(labels)} samples of seed {view.seed}; the axes hold {shares} of the variance"
        yield figure(name, scatter(name, sentence, view.points, labels))


def _whose(arm: RecordedArm, arms: Sequence[RecordedArm]) -> str:
    return f", {arm.name}" if len(arms) > 1 else ""
