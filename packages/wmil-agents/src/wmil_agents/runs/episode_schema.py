"""What an episode log holds: each array by name, with its axes, its unit and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = "wmil-episodes"
VERSION = 1
"""Of the files' layout; a newer one is refused."""


@dataclass(frozen=True)
class Field:
    """One array of a block."""

    name: str
    """Its key; an entry of a `Dict` space, or a loss, follows after a slash: `observations/position`."""
    axes: tuple[str, ...]
    """What the axes count; "..." stands for the axes of one element of the space."""
    unit: str
    description: str
    when: str = "always"
    """Under which condition it is there."""


FIELDS = (
    Field(
        "observations",
        ("steps", "..."),
        "as in the observation space",
        "What the policy saw when it acted. Categories are kept in the smallest integers that hold them.",
    ),
    Field(
        "actions",
        ("steps", "..."),
        "as in the action space",
        "What the policy drew; of a Box before it was clipped to the bounds.",
    ),
    Field("rewards", ("steps",), "reward", "What the learner was paid, before any bootstrap at a time limit."),
    Field(
        "reward_components",
        ("steps", "components"),
        "reward, unweighted",
        'The vector reward: goal, pred, cons in our environments, which tell it with `info="full"`.',
        "the environment tells `vector_reward`",
    ),
    Field("terminated", ("steps",), "true or false", "Whether the episode ended here by its own rules."),
    Field("truncated", ("steps",), "true or false", "Whether the episode was cut off here."),
    Field(
        "success", ("steps",), "1, 0 or -1", "Whether this answer was right; -1 where the environment does not tell."
    ),
    Field(
        "log_probs",
        ("steps",),
        "nats",
        "Log-probability of the action (of a Box its log-density) when it was drawn.",
        "the algorithm is on-policy",
    ),
    Field(
        "values",
        ("steps",),
        "return",
        "What the value head said of the observation; 0 where nobody trains one.",
        "the algorithm is on-policy",
    ),
    Field(
        "parent_sources",
        ("steps",),
        "place in `parent_sources` of the sidecar",
        "Where the verdict comes from; 255 where the environment does not tell.",
        "the environment tells `parent_source`",
    ),
    Field("episodes", ("episodes",), "number", "The episode's number, counted from 0 in the order of their ends."),
    Field(
        "episode_starts",
        ("episodes + 1",),
        "step of this block",
        "Where each episode begins among the steps: episode k has the steps from `episode_starts[k]` up to "
        "`episode_starts[k + 1]`.",
    ),
    Field("episode_envs", ("episodes",), "number", "Which of the environments it was in."),
    Field(
        "episode_end_steps",
        ("episodes",),
        "environment steps",
        "Steps that all environments together had taken since learning began when the episode ended.",
    ),
    Field(
        "final_observations",
        ("episodes", "..."),
        "as in the observation space",
        "The observation that the last action led to, which no policy acted on.",
    ),
    Field(
        "update_steps",
        ("updates",),
        "environment steps",
        "Steps taken before each update of which losses were logged.",
    ),
    Field(
        "losses",
        ("updates",),
        "as logged",
        "A loss or error that the algorithm logs as `train/NAME`, mean over the update; nan where it has none.",
        "there was an update; one array for each NAME",
    ),
    Field(
        "sample_steps", ("samples",), "environment steps", "Steps taken before the sampled one.", "samples are taken"
    ),
    Field("sample_envs", ("samples",), "number", "Which of the environments it was in.", "samples are taken"),
    Field(
        "sample_observations",
        ("samples", "..."),
        "as in the observation space",
        "What the policy saw.",
        "samples are taken",
    ),
    Field("sample_actions", ("samples", "..."), "as in the action space", "What it drew.", "samples are taken"),
    Field(
        "sample_features",
        ("samples", "features"),
        "activation",
        "The hidden features that the heads read.",
        "`features` is on",
    ),
    Field(
        "sample_attention",
        ("samples", "layers", "heads", "queries", "keys"),
        "share; each row of keys sums to 1",
        "Attention weights; `attention_tokens` of the sidecar names queries and keys.",
        "`attention` is on",
    ),
    Field(
        "sample_prediction_errors",
        ("samples", "columns"),
        "squared error",
        "The world model's error at each of the columns that `predicted_columns` of the sidecar names: of a category's "
        "probabilities to one-hot, mean over its values; of a number its squared error.",
        "there is a world model",
    ),
)
_BY_NAME = {field.name: field for field in FIELDS}


def field_of(array: str) -> Field | None:
    """The field that an array of this name belongs to; None for a name that no version 1 block has."""
    name, slash, entry = array.partition("/")
    return None if slash and not entry else _BY_NAME.get(name)


def fields_table() -> str:
    """The fields as a Markdown table."""
    rows = [
        f"| `{field.name}` | {' x '.join(field.axes)} | {field.unit} | {field.description} | {field.when} |"
        for field in FIELDS
    ]
    return "\n".join(["| array | axes | unit | is | there if |", "|---|---|---|---|---|", *rows]) + "\n"
