"""A language model as the parent of the locked experiment: asked once, audited, frozen; a stand-in plays the model."""

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path

from wmil_agents.runs.run import run
from wmil_agents.runs.settings_sources import load_settings
from wmil_envs import FakeLLM, LLMSettings
from wmil_envs.recordings.audit import audit
from wmil_envs.recordings.estimate import estimate
from wmil_envs.recordings.freeze import freeze
from wmil_envs.tasks.pattern_echo import PatternEcho

SHORT = ["total_steps=640", "evaluation.interval=80"]
TASK = PatternEcho(n_symbols=8)

providers = [name for name in ("openai", "anthropic") if find_spec(name)]
if not providers:
    print("This needs the SDK of a provider: pip install 'wmil-envs[llm]'")

for provider in providers:
    # Of 64 verdicts of the stand-in, some are wrong: a model as one may have it. Without `base_url` and with `model`
    # the name of a real one, the provider itself is asked, and the key is read from the environment.
    with FakeLLM(wrong_rate=0.05) as server, tempfile.TemporaryDirectory() as folder:
        parent = {
            "kind": "llm",
            "provider": provider,
            "model": "fake-llm",
            "base_url": server.base_url(provider),
            "duties": ["judge"],
            "store": f"{folder}/verdicts.sqlite",
            "budget": {"calls": 13},  # 8 symbols, each with all its answers in one question, and 5 canaries
        }
        settings = LLMSettings.from_dict({name: value for name, value in parent.items() if name != "kind"})
        print(f"{provider}: {estimate(TASK, settings)}")

        asking = load_settings("mvp", [f"env.arguments.parent={json.dumps(parent)}", *SHORT])
        result = run(asking, Path(folder, "asking"))
        print(f"learnt from the model: success {result.evaluation.success}, {result.verdict.summary}")
        print(f"asked: {dict(server.counts)}, the same question at most {max(server.asked.values())} times")

        checked = audit(TASK, settings)
        print(f"agreement with the rule {checked.overall.share:.3f}, Cohen's kappa {checked.overall.kappa:.3f}")
        for one in checked.disagreements:
            print(f"  {one.question} For {one.means} the model gives {one.goal:g}, the rule {one.rule:g}.")

        card = freeze(TASK, settings, Path(folder, "scores.json"))
        print(f"judge card: {json.dumps(card, indent=1)}")

        server.stop()  # nobody is asked any more
        frozen = {"kind": "recorded", "path": f"{folder}/scores.json"}
        repeating = load_settings("mvp", [f"env.arguments.parent={json.dumps(frozen)}", *SHORT])
        again = run(repeating, Path(folder, "repeating"))
        print(f"learnt from the file: success {again.evaluation.success}\n")
        assert again.evaluation.success == result.evaluation.success
