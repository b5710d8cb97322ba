"""A surgeon beside a learner: it practises while the learner waits, then operates now and then; all of it resumes."""

from pathlib import Path
from tempfile import TemporaryDirectory

from wmil_agents import (
    REINFORCE,
    ExactCheckpointCallback,
    continue_learning,
    make_batch_vec_env,
    newest_valid,
    restore_checkpoint,
)
from wmil_agents.surgeons import Operated, Phases, SACSurgeon, SurgeryCallback


def learner() -> REINFORCE:
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", 8, seed=0, n_symbols=32)
    return REINFORCE("TransformerPolicy", env, seed=0, device="cpu")


def tell(operated: Operated) -> None:
    if operated.kept:
        print(f"step {operated.step}, {operated.phase.name}: +{operated.gain:.4f}, p = {operated.p_value:.3f}")


def callbacks(folder: Path) -> list:
    surgery = SurgeryCallback(
        lambda env: SACSurgeon(env, seed=0, learns_online=True, learning_starts=20),
        phases=Phases(bootstrap=400, exclusive=20),  # then both
        interval=10,
        max_change=0.1,
        after_operation=tell,
    )
    return [ExactCheckpointCallback(folder, interval=400), surgery]


with TemporaryDirectory() as name:
    folder = Path(name)
    model = learner().learn(800, callbacks(folder))

    again = learner()  # in another process, another day
    restored = restore_checkpoint(newest_valid(folder).folder, again)
    continued = callbacks(folder)
    continue_learning(again, restored, continued, total_timesteps=1_200)
    surgery = continued[1]
    print(f"{again.num_timesteps:,} steps, {surgery.n_operations} operations, {surgery.n_kept} kept")
