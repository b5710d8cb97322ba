"""`wmil fake-llm`: a stand-in for a language model, to try everything without a key."""

from __future__ import annotations

import json
from typing import Any

import typer

from wmil_agents.cli.exit_codes import INTERRUPTED
from wmil_agents.runs.input_error import InputError
from wmil_envs.fake_llm.server import MODEL, FakeLLM, serve

_CALLS = 1_000
"""What the parents that are offered may spend; it costs nothing here."""
_PROVIDERS = ("openai", "anthropic")


def serve_fake_llm(port: int, **options: Any) -> None:
    """Serve until Ctrl-C, after saying where and how to ask.

    Args:
        port: to listen on; 0 for any that is free.
        options: of `FakeLLM`.

    Raises:
        InputError: it cannot listen there, or there is no such fault.
    """
    served: list[FakeLLM] = []

    def tell(server: FakeLLM) -> None:
        served.append(server)
        typer.echo(f"A stand-in for a language model, answering by the rule of each task, listens at {server.address}")
        for provider in _PROVIDERS:
            typer.echo(f"As a parent, asked through the SDK {provider}:\n  {json.dumps(parent(server, provider))}")
        typer.echo("Ctrl-C ends it.")

    try:
        serve(port, tell, **options)
    except KeyboardInterrupt:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(served[0].counts.items())) if served else ""
        typer.echo(f"wmil: ended; {f'it was asked: {kinds}' if kinds else 'nobody asked'}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        raise InputError(f"port {port} of this machine cannot be used: {error.strerror}; take another --port") from None
    except ValueError as error:
        raise InputError(str(error)) from None


def parent(server: FakeLLM, provider: str) -> dict[str, Any]:
    """The specification of a parent that asks a server."""
    asked = {"kind": "llm", "provider": provider, "model": MODEL, "base_url": server.base_url(provider)}
    return {**asked, "duties": ["judge"], "budget": {"calls": _CALLS}}
