"""Which libraries are compared with ours, and what is installed for each."""

from __future__ import annotations

from dataclasses import dataclass

TORCH = "torch==2.13.0"
"""Installed first and alone: a torch chosen freely may pull gigabytes of accelerator libraries."""
OUR_PACKAGES = ("packages/wmil-envs", "packages/wmil-agents")


@dataclass(frozen=True)
class Peer:
    """A library that gets a virtual environment of its own."""

    name: str
    installs: tuple[tuple[str, ...], ...]
    """Arguments of one `pip install` each, in order."""
    imports: str
    """A module that must be importable afterwards."""
    remark: str = ""


PROJECT = "project"
"""The environment that `./dev.sh` makes: ours, and Stable-Baselines3 and sb3-contrib, which it pins anyway."""

PEERS = {
    peer.name: peer
    for peer in (
        Peer("gymnax", (("gymnax==1.0.1", "six"),), "gymnax", "six is imported by gymnax 1.0.1 and not required by it"),
        Peer("popgym", (("popgym==1.0.7",),), "popgym"),
        Peer("minigrid", (("minigrid==3.2.0",),), "minigrid"),
        Peer("bsuite", (("bsuite==0.3.6",),), "bsuite.environments.bandit"),
        Peer(
            "sbx",
            (
                (TORCH,),
                ("stable-baselines3==2.9.2", "gymnasium==1.4.0", "sbx-rl==0.28.0"),
                tuple(part for package in OUR_PACKAGES for part in ("-e", package)),
            ),
            "sbx",
            "with our packages, because it learns on BatchVecEnv",
        ),
    )
}
