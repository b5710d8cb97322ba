"""Train the preset shortly with its episodes logged, read them, and look inside the policy."""

from pathlib import Path

from wmil_agents import read_episodes
from wmil_agents.analysis.attention import attention_history, attention_maps
from wmil_agents.analysis.attention_causality import attention_causality
from wmil_agents.analysis.calibration import logged_calibration
from wmil_agents.analysis.embedding import principal_components, tsne
from wmil_agents.analysis.emergence import emergence_step
from wmil_agents.analysis.hidden_features import live_features, logged_observations
from wmil_agents.analysis.linear_probe import probe_attributes
from wmil_agents.plots.analyses import draw_embedding, draw_emergence, draw_probes, draw_reliability
from wmil_agents.plots.attention_map import draw_attention, draw_attention_timelapse
from wmil_agents.runs.run import run
from wmil_agents.runs.run_folder import load_run
from wmil_agents.runs.settings_sources import load_settings

LOG = ["episodes.every=1", "episodes.attention=true", "episodes.features=true", "episodes.sample_every=25"]
folder = Path("runs/looked-into")
run(load_settings("mvp", ["total_steps=1600", "evaluation.interval=400", *LOG]), folder, notice=print)

episodes = read_episodes(folder)
success = episodes.column("success")
first, last = success[:200].mean(), success[-200:].mean()
print(f"{len(success):,} answers, {first:.0%} of the first 200 right, {last:.0%} of the last")

# What the trained policy holds of everything that was seen, outcomes included.
policy = load_run(folder).model
seen = logged_observations(episodes)
hidden = live_features(policy, seen)
probes = probe_attributes(hidden.features, hidden.attributes)
for name, probe in probes.items():
    print(f"{name}: read with accuracy {probe.score:.2f}, shuffled labels {probe.control:.2f}. {probe.note}")
draw_probes(probes, folder / "probes")

components = principal_components(hidden.features)
draw_embedding(components.points, hidden.attributes["symbol"], folder / "components", "Principal components, by symbol")
draw_embedding(tsne(hidden.features), hidden.attributes["feedback"], folder / "tsne", "t-SNE, by feedback")

# Where it looks, whether that matters, and since when.
draw_attention(attention_maps(policy, seen), folder / "attention")
print("attention against the effect of hiding a token:", attention_causality(policy, seen).spearman)
history = attention_history(episodes)
emergence = emergence_step(history.steps.tolist(), history.entropies.tolist())
print("attention became selective:", emergence)
draw_emergence(history.steps, history.entropies, emergence, folder / "emergence")
draw_attention_timelapse(history, folder / "attention.gif")

calibration = logged_calibration(read_episodes(folder, first=800))
print(f"calibration error of the later actions: {calibration.error:.3f}")
draw_reliability(calibration, folder / "reliability")
