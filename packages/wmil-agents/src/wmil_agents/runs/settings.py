"""The settings of a run: frozen, checked, each with the sentence that `wmil train --help` shows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]
Algorithm = Literal["REINFORCE", "A2C", "PPO"]
Agent = Literal["learner", "random", "rl_only", "kl_distill"]
Ablation = Literal["none", "random_policy", "shuffled_rewards", "no_baseline", "no_world_model"]


def _at_least_two(length: int) -> int:
    if length < 2:
        raise ValueError("it should be at least 2, or null for no history")
    return length


class Section(BaseModel):
    """Settings that belong together; values keep their types, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class EnvSettings(Section):
    """What is learnt."""

    id: str = "WMIL/PatternEcho-v0"
    """Registered id of the environment; "module:id" imports a module first."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the environment, such as `level`, `horizon` or `parent`."""


class LearnerSettings(Section):
    """Who learns."""

    algorithm: Algorithm = "REINFORCE"
    """REINFORCE with a running-mean baseline, or Stable-Baselines3's A2C or PPO."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the algorithm, such as `learning_rate` or `baseline`; its own defaults hold for the rest. A learning
    rate, a clip range or REINFORCE's ent_coef may be `lin_0.001`, which falls to 0 over the run."""


class HistorySettings(Section):
    """What the policy sees of the past."""

    length: Annotated[int, AfterValidator(_at_least_two)] | None = None
    """The last so many (observation, previous action) pairs of the episode, 2 or more; null for what is seen now
    alone."""
    positions: Literal["learned", "rotary", "trace"] = "learned"
    """How the pairs' order is told: learned vectors, rotary, or the bias log(gamma lambda) x distance of a trace."""
    trace_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.99 * 0.95
    """gamma lambda of the trace."""


class PolicySettings(Section):
    """What the policy is made of."""

    width: Positive = 64
    """Size of a token."""
    n_layers: Positive = 2
    """Transformer blocks."""
    n_heads: Positive = 4
    """Attention heads of a block; must divide the width."""
    readout: Literal["mean", "query", "max", "concat"] = "mean"
    """Which tokens become the features: the attributes' mean or maximum, the query, or query and mean. Of a history it
    is always the newest."""
    max_parameters: Positive | None = 1_000_000
    """A larger policy is refused; null lifts the limit."""


class WorldModelSettings(Section):
    """The world model that learns beside the policy, on the same features."""

    scale: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.2
    """Weight of its loss; at 0 its head exists but is not trained."""
    hidden_width: Positive = 64
    """Hidden units of its head."""
    n_replayed: Annotated[int, Field(ge=0)] = 32
    """Past transitions that it learns from beside each minibatch."""
    predictable_only: bool = True
    """Whether attributes that state and action do not determine are left out."""


class LatentWorldModelSettings(Section):
    """A world model of features, which learns beside the policy where its scale is above 0."""

    scale: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    """Weight of its loss; at 0 there is none. It may collapse: watch train/latent_world_model_spread."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99
    """Share of the extractor of its targets that stays in each minibatch; 0 for the policy's own extractor."""
    hidden_width: Positive = 64
    """Hidden units of its head."""
    n_replayed: Annotated[int, Field(ge=0)] = 16
    """Past transitions that it learns from beside each minibatch."""


class ContrastiveSettings(Section):
    """The contrastive loss, which learns beside the policy where its scale is above 0."""

    scale: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    """Weight of the loss; at 0 there is none. It needs episodes and rollouts of two steps or more."""
    n_pairs: Annotated[int, Field(ge=2)] = 8
    """Most pairs of a step and a later one in a minibatch."""
    discount: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.9
    """How much rarer each further step ahead is drawn."""
    width: Positive = 32
    """Size of the vectors that are compared."""


class EvaluationSettings(Section):
    """How the policy is evaluated while it learns."""

    interval: Positive = 200
    """Environment steps between two evaluations; also at the start and the end."""
    episodes: Annotated[int, Field(ge=2)] = 100
    """Episodes of one evaluation where it cannot be exact."""
    return_threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Where there are no tables to judge by, the verdict asks for this mean return; null for the one that the
    environment is registered with, if any."""


class LoggingSettings(Section):
    """What is written besides the metrics."""

    interval: Positive = 100
    """Updates between two rows of train/progress.csv."""
    tensorboard: bool = False
    """Whether TensorBoard's files are written into train/ as well."""
    wandb: bool = False
    """Whether W&B's files are written into train/ as well; nothing is sent unless WANDB_MODE says so."""
    trackio: bool = False
    """Whether trackio's database on this machine is written to as well."""


class EpisodeSettings(Section):
    """What is kept of the episodes themselves."""

    every: Annotated[int, Field(ge=0)] = 0
    """One episode of so many is kept in episodes/, with its observations, actions and rewards; 0 for none."""
    max_megabytes: Positive = 256
    """At this size of the folder the log ends, and says so."""
    attention: bool = False
    """Whether attention weights are sampled."""
    features: bool = False
    """Whether hidden features are sampled."""
    sample_every: Positive = 64
    """Samples are of one step of all environments in so many."""


class CheckpointSettings(Section):
    """From where a run that was stopped or killed can be continued."""

    interval: Positive | None = None
    """Environment steps between two checkpoints; null for 25,000, or five minutes where those come first, and as rarely
    as keeps the writing below 2 % of the time."""
    keep_last: Positive = 3
    """How many of the newest are kept."""
    keep_best: bool = True
    """Whether the one with the highest return in an evaluation is kept as well."""


class Settings(Section):
    """Everything that decides a run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "run"
    """Names the run's folder."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the weights, the actions and the environments: environment i has the seed `seed` + i."""
    total_steps: Positive = 10_000
    """Environment steps, all environments together."""
    n_envs: Positive = 8
    """Environments stepped together."""
    n_threads: Positive = 1
    """Threads that torch may use; for models as small as these one is fastest."""
    agent: Agent = "learner"
    """Who acts: the learner of these settings, or a baseline in its place: `random` never learns; `rl_only` is the
    learner without auxiliary losses; `kl_distill` gets no reward and uses a teacher, the parent's scores of all
    actions."""
    ablation: Ablation = "none"
    """What is cut out, to see its criterion fail: the policy's learning, the rewards' meaning, the baseline, the world
    model's learning."""
    env: EnvSettings = EnvSettings()
    """What is learnt."""
    learner: LearnerSettings = LearnerSettings()
    """Who learns."""
    history: HistorySettings = HistorySettings()
    """What the policy sees of the past."""
    policy: PolicySettings = PolicySettings()
    """What the policy is made of."""
    world_model: WorldModelSettings = WorldModelSettings()
    """The world model that learns beside the policy."""
    latent_world_model: LatentWorldModelSettings = LatentWorldModelSettings()
    """A world model of features."""
    contrastive: ContrastiveSettings = ContrastiveSettings()
    """The contrastive loss."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """How the policy is evaluated while it learns."""
    logging: LoggingSettings = LoggingSettings()
    """What is written besides the metrics."""
    episodes: EpisodeSettings = EpisodeSettings()
    """What is kept of the episodes themselves."""
    checkpoints: CheckpointSettings = CheckpointSettings()
    """From where a run that was stopped or killed can be continued."""
