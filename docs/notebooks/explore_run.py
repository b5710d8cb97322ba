"""Explore one run: what it learnt, what it did, what it holds, where it looks.

`marimo edit docs/notebooks/explore_run.py -- --run runs/mvp-0` opens it in a browser; with `python` it prints. Without
a run it makes a short one, with its episodes logged.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium")


@app.cell
def _():
    from pathlib import Path

    import marimo as mo

    from wmil_agents import read_episodes
    from wmil_agents.analysis.attention_causality import attention_causality
    from wmil_agents.analysis.calibration import logged_calibration
    from wmil_agents.analysis.hidden_features import live_features, logged_observations
    from wmil_agents.analysis.linear_probe import probe_attributes
    from wmil_agents.plots.analyses import draw_probes, draw_reliability
    from wmil_agents.plots.attention_map import draw_attention
    from wmil_agents.plots.learning_curve import draw_run
    from wmil_agents.runs.run import run
    from wmil_agents.runs.run_folder import load_run
    from wmil_agents.runs.settings_sources import load_settings

    return (
        Path,
        attention_causality,
        draw_attention,
        draw_probes,
        draw_reliability,
        draw_run,
        live_features,
        load_run,
        load_settings,
        logged_calibration,
        logged_observations,
        mo,
        probe_attributes,
        read_episodes,
        run,
    )


@app.cell
def _(Path, load_settings, mo, run):
    folder = Path(mo.cli_args().get("run") or "runs/explored")
    if not folder.exists():
        run(load_settings("mvp", ["total_steps=800", "evaluation.interval=200", "episodes.every=1"]), folder)
    mo.md(f"# {folder.name}")
    return (folder,)


@app.cell
def _(draw_run, folder, mo):
    curves = [path for path in draw_run(folder) if path.suffix == ".svg"]
    mo.image(str(curves[0]))
    return


@app.cell
def _(folder, mo, read_episodes):
    episodes = read_episodes(folder)
    success = episodes.column("success")
    first, last = success[:100].mean(), success[-100:].mean()
    story = (
        f"{len(episodes.column('episodes')):,} episodes; {first:.0%} of the first 100 answers right, "
        + f"{last:.0%} at the end"
    )
    print(story)
    mo.md(story)
    return (episodes,)


@app.cell
def _(draw_probes, episodes, folder, live_features, load_run, logged_observations, mo, probe_attributes):
    policy = load_run(folder).model
    seen = logged_observations(episodes)
    hidden = live_features(policy, seen)
    probes = probe_attributes(hidden.features, hidden.attributes)
    for name, probe in probes.items():
        print(f"{name}: accuracy {probe.score}, shuffled labels {probe.control} {probe.note}")
    mo.image(str(draw_probes(probes, folder / "probes")[0]))
    return policy, seen


@app.cell
def _(attention_causality, draw_attention, folder, mo, policy, seen):
    from wmil_agents.analysis.attention import attention_maps

    causality = attention_causality(policy, seen)
    print(f"attention against the effect of hiding a token: {causality.spearman}")
    mo.image(str(draw_attention(attention_maps(policy, seen), folder / "attention")[0]))
    return


@app.cell
def _(draw_reliability, folder, logged_calibration, mo, read_episodes):
    later = read_episodes(folder, first=400)
    found = logged_calibration(later)
    print(f"calibration error of the later actions: {found.error:.3f}")
    mo.image(str(draw_reliability(found, folder / "reliability")[0]))
    return


if __name__ == "__main__":
    app.run()
