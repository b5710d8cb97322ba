"""What would the policy be worth without this head? Asked of a live model, which is the same afterwards."""

import torch

from wmil_agents import REINFORCE, TransformerPolicy, evaluate, make_batch_vec_env
from wmil_agents.surgery import Gains, HeadMask, SurgicalTheater, score_edits, targets

env = make_batch_vec_env("wmil_envs:WMIL/Conditional-v0", 64, seed=0)
model = REINFORCE(TransformerPolicy, env, seed=0, device="cpu").learn(12_000)
before = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
print("as it is:", evaluate(model, env, n_episodes=1_000, seed=1).success)

heads = [target for target in targets(model).values() if target.kind == "out"]
for head in heads:
    with SurgicalTheater(model, HeadMask(head.module, head=head.head)) as theater:
        print(f"without {head.name.removesuffix('.out')}: {evaluate(model, env, n_episodes=1_000, seed=1).success}")
print(f"saved for that: {theater.bytes_saved:,} bytes, {theater.share_of_clone:.1%} of the policy")

# Sixty-four surgeons' actions in one forward: log-gains of the queries and values of every head.
observations = torch.as_tensor(env.reset())


def doubt(policy: TransformerPolicy, rows: torch.Tensor) -> torch.Tensor:
    return policy.get_distribution(rows).distribution.entropy().mean()


candidates = [Gains("*", 0.3 * torch.randn(2 * len(heads))) for _ in range(64)]
scores = score_edits(model, candidates, observations, doubt)
now = doubt(model.policy, observations)
print(f"entropy with 64 random edits: {scores.min():.3f} to {scores.max():.3f}, as it is {now:.3f}")

same = all(torch.equal(tensor, before[name]) for name, tensor in model.policy.state_dict().items())
print("all weights are the same, to the last bit:", same)
assert same
