from pathlib import Path

import pytest
from torch import nn

from wmil_agents.analysis.ablation import Scores, ablate
from wmil_agents.plots.ablation import draw_ablation

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("score", [0.75, [0.0, 1.0, 1.0, 1.0], -200.0, 0.0])
def test_the_picture_names_what_was_taken_away(score: float | list[float], pairs: bool, tmp_path: Path) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def evaluate() -> Scores:
        first_head_is_there = bool(model.layers[0].self_attn.out_proj.weight[:, :4].any())
        return {"score": score if first_head_is_there else 0.0 if isinstance(score, float) else [0.0] * 4}

    found = ablate(model, evaluate, pairs=pairs, chance={"score": 0.25} if score == 0.75 else {})
    words = draw_ablation(found, tmp_path / "ablation.svg").read_text(encoding="utf-8")
    for word in ("Score lost without a head", ">layer 2<", ">layer 1, attention<", ">layer 2, MLP<"):
        assert word in words
    assert ("beyond each alone" in words) == pairs
    assert ("all that is above chance" in words) == (score == 0.75)
    if score == 0.75:
        assert "Score 0.7500, chance 0.2500" in words
        assert ">0.750<" in words
        assert draw_ablation(found, tmp_path / "ablation.svg", "Here").read_text(encoding="utf-8") != words
    again = draw_ablation(found, tmp_path / "again.svg").read_text(encoding="utf-8")
    assert again == words
    assert draw_ablation(found, tmp_path / "ablation.png").read_bytes().startswith(b"\x89PNG")
