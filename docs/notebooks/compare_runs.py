"""Compare two runs: settings that differ, curves, what each did, what each holds.

`marimo edit docs/notebooks/compare_runs.py -- --first runs/a --second runs/b` opens it in a browser; with `python` it
prints. Without runs it makes two short ones: the preset with its world model and without.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium")


@app.cell
def _():
    from pathlib import Path

    import marimo as mo

    from wmil_agents import read_episodes
    from wmil_agents.analysis.hidden_features import live_features, logged_observations
    from wmil_agents.analysis.linear_probe import probe_attributes
    from wmil_agents.runs.metrics_columns import read_metrics
    from wmil_agents.runs.run import run
    from wmil_agents.runs.run_folder import load_run
    from wmil_agents.runs.settings_sources import load_settings

    return (
        Path,
        live_features,
        load_run,
        load_settings,
        logged_observations,
        mo,
        probe_attributes,
        read_episodes,
        read_metrics,
        run,
    )


@app.cell
def _(Path, load_settings, mo, run):
    arguments = mo.cli_args()
    folders = {
        name: Path(arguments.get(name) or place)
        for name, place in (("first", "runs/with-world-model"), ("second", "runs/without-world-model"))
    }
    short = ["total_steps=800", "evaluation.interval=100", "episodes.every=1"]
    for name, overrides in (("first", []), ("second", ["world_model.scale=0.0"])):
        if not folders[name].exists():
            run(load_settings("mvp", [*short, *overrides]), folders[name])
    mo.md(f"# {folders['first'].name} and {folders['second'].name}")
    return (folders,)


@app.cell
def _(folders, load_settings, mo):
    def flat(section, prefix=""):
        for key, value in section.items():
            yield from flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]

    dumped = [dict(flat(load_settings(str(folder / "settings.yaml"), []).model_dump())) for folder in folders.values()]
    differing = [
        {"setting": key, "first": str(dumped[0].get(key)), "second": str(dumped[1].get(key))}
        for key in sorted({*dumped[0], *dumped[1]})
        if dumped[0].get(key) != dumped[1].get(key)
    ]
    for row in differing:
        print(f"{row['setting']}: {row['first']} against {row['second']}")
    mo.ui.table(differing)
    return


@app.cell
def _(folders, mo, read_metrics):
    def first_step(curve, threshold):
        return next((s for s, v in zip(curve["step"], curve["success"], strict=True) if v >= threshold), None)

    curves = {name: read_metrics(folder / "metrics.csv") for name, folder in folders.items()}
    reached = [
        {
            "run": name,
            "success at the end": curve["success"][-1],
            "first step at 95 %": first_step(curve, 0.95),
            "world-model skill": curve.get("world_model_skill", [None])[-1],
        }
        for name, curve in curves.items()
    ]
    for line in reached:
        print(", ".join(f"{key} {value}" for key, value in line.items()))
    mo.ui.table(reached)
    return


@app.cell
def _(folders, mo, read_episodes):
    logs = {name: read_episodes(folder) for name, folder in folders.items()}
    done = [
        {"run": name, "episodes": len(log.column("episodes")), "right": float((log.column("success") == 1).mean())}
        for name, log in logs.items()
    ]
    for each in done:
        print(f"{each['run']}: {each['right']:.1%} of {each['episodes']:,} answers right while learning")
    mo.ui.table(done)
    return (logs,)


@app.cell
def _(folders, live_features, load_run, logged_observations, logs, mo, probe_attributes):
    # Both are shown what the first one saw, so that their probes are of the same observations.
    shown = logged_observations(logs["first"])
    scores = []
    for which, place in folders.items():
        hidden = live_features(load_run(place).model, shown)
        for attribute, probe in probe_attributes(hidden.features, hidden.attributes).items():
            scores.append({"run": which, "attribute": attribute, "score": probe.score, "shuffled": probe.control})
    for score in scores:
        print(f"{score['run']}, {score['attribute']}: {score['score']} against {score['shuffled']} by chance")
    mo.ui.table(scores)
    return


@app.cell
def _(mo):
    caution = "One run of each: a difference may be the luck of a seed; `wmil compare A B --seeds 20` tells them apart."
    print(caution)
    mo.md(caution)
    return


if __name__ == "__main__":
    app.run()
