"""Inside the policies: what attends to what, where the hidden features lie, and what can be read from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from wmil_agents.analysis.linear_probe import Probe
from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.plots.inner_views import AttentionView, FeatureView, attention_view, feature_view
from wmil_agents.reports.blocks import Missing, figure, grid, legend, note, numbers, section, table
from wmil_agents.reports.heat_map import heat_map
from wmil_agents.reports.line_chart import Axis, Line, line_chart
from wmil_agents.reports.markup import Child, Markup
from wmil_agents.reports.scale import percent
from wmil_agents.reports.scatter import scatter
from wmil_agents.runs.recorded_arm import RecordedArm

_MOST_ARMS = 4
_ENTROPY = "Entropy of attention (nats)"


def inside(arms: Sequence[RecordedArm]) -> Markup | Missing:
    """The section, from the samples of the runs' episode logs."""
    shown = arms[:_MOST_ARMS]
    attention = {i: view for i, view in enumerate(map(attention_view, shown)) if view is not None}
    features = {i: plane for i, plane in enumerate(map(feature_view, shown)) if plane is not None}
    if not attention and not features:
        words = "not sampled: train with episodes.every=1, episodes.attention=true and episodes.features=true"
        return Missing("Attention, hidden features and probes", words)
    figures = [*_entropies(arms, attention), *_maps(arms, attention), *_planes(arms, features)]
    content: list[Child] = [
        legend(arms),
        grid(figures),
        note(
            "From the samples of one run of each arm. Each row of an attention map adds up to 100 (percent): how much "
            "the token of that row takes from each column, at the last sampled step. Points are hidden features in the "
            "plane of their first two principal components."
        ),
    ]
    if features:
        content += _probes(arms, {i: view.probes for i, view in features.items()})
    return section("inside", "Inside the policy", *content)


def _entropies(arms: Sequence[RecordedArm], views: Mapping[int, AttentionView]) -> Iterator[Markup]:
    """The course of the entropy, with the steps at which attention emerged."""
    if not views:
        return
    lines = [Line(i, np.array(view.steps, np.float64), np.array(view.entropies)) for i, view in views.items()]
    sentence = "; ".join(f"{arms[i].name}: {view.emergence}" for i, view in views.items())
    chart = line_chart(_ENTROPY, sentence, lines, {}, Axis(_ENTROPY, 0.0), max(line.steps[-1] for line in lines))
    ends = [
        [arms[i].name, *map(figure_text, (v.entropies[0], v.entropies[-1])), str(v.emergence)] for i, v in views.items()
    ]
    values = numbers("Numbers", table(["arm", "first", "last", "fell to 70 %"], ends))
    yield figure(_ENTROPY, [chart, values])


def _maps(arms: Sequence[RecordedArm], views: Mapping[int, AttentionView]) -> Iterator[Markup]:
    for i, view in views.items():
        for layer, weights in enumerate(view.weights, start=1):
            name = f"Attention, layer {layer}{_whose(arms, i)}"
            sentence = f"Mean over the heads and the samples of step {view.steps[-1]:,}, seed {view.seed}"
            yield figure(name, heat_map(name, sentence, weights, view.tokens, view.tokens, float(view.weights.max())))


def _planes(arms: Sequence[RecordedArm], views: Mapping[int, FeatureView]) -> Iterator[Markup]:
    for i, view in views.items():
        shares = " and ".join(percent(share) for share in view.shares)
        for column, labels in view.labels.items():
            name = f"Hidden features by {column}{_whose(arms, i)}"
            sentence = f"{len(labels)} samples of seed {view.seed}; the axes hold {shares} of the variance"
            yield figure(name, scatter(name, sentence, view.points, labels))


def _probes(arms: Sequence[RecordedArm], views: Mapping[int, Mapping[str, Probe]]) -> list[Child]:
    rows = [[arms[i].name, name, *_figures(probe)] for i, probes in views.items() for name, probe in probes.items()]
    remark = (
        "Probes: how well a linear function of the hidden features tells each attribute, on rows that it was not "
        "fitted to; beside it the same on shuffled labels, and the share of the commonest one."
    )
    remarks = dict.fromkeys(probe.note for probes in views.values() for probe in probes.values() if probe.note)
    words = " ".join([remark, *(f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in remarks)])
    return [table(["arm", "attribute", "probe", "shuffled", "chance"], rows, figures_from=2), note(words)]


def _figures(probe: Probe) -> list[str]:
    if probe.score is None:
        return ["-", "-", "-"]
    low, high = probe.interval or (probe.score, probe.score)
    score = f"{figure_text(probe.score)} [{figure_text(low)}, {figure_text(high)}]"
    return [score, *("-" if value is None else figure_text(value) for value in (probe.control, probe.chance))]


def _whose(arms: Sequence[RecordedArm], place: int) -> str:
    return f", {arms[place].name}" if len(arms) > 1 else ""
