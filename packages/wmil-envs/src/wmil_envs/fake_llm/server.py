"""The server: HTTP on 127.0.0.1 in threads, both vendors' wire formats, a record of what was asked."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from wmil_envs.fake_llm.faults import FINISH_FAULTS, STATUS, TEXT_FAULTS, check_fault
from wmil_envs.fake_llm.rule_answers import chance, full_marks, has_plea, kind_of, rule_answer
from wmil_envs.fake_llm.wire_formats import WIRE_FORMATS, Reply, WireFormat, prompt_text
from wmil_envs.llm.questions import content_of

MODEL = "fake-llm"
"""The name that the server answers by, whatever model was asked for."""

_HUGE = 5_000_000
_DRIP_SECONDS = 0.05
_PATIENCE = 60.0


class Received(NamedTuple):
    """A request."""

    path: str
    kind: str
    """`judge`, `transition` or `instances`; `canary` for a judgement with a planted instruction."""
    question: str
    """Its data, as canonical JSON."""
    headers: Mapping[str, str]
    """With lower-case names."""
    body: Mapping[str, Any]
    """The request itself."""


class FakeLLM:
    """A language model that answers by the task's rule, for the `with` statement.

    Args:
        port: to listen on; 0 for any that is free.
        delay: seconds before each reply.
        error_rate: share of the requests that get a 500.
        malformed_rate: share of the requests whose reply is no verdict: prose, a score of 7, a cut text.
        wrong_rate: share of the verdicts that are wrong, always the same ones.
        gullible: give full marks to whoever asks for them; canaries find that out.
        has_usage: say how many tokens were used.
        faults: names of faults, one for each request in turn (`ok` for none); afterwards there are none.
        seed: which requests and verdicts the rates hit. Equal requests in equal order meet equal faults.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        delay: float = 0.0,
        error_rate: float = 0.0,
        malformed_rate: float = 0.0,
        wrong_rate: float = 0.0,
        gullible: bool = False,
        has_usage: bool = True,
        faults: Iterable[str] = (),
        seed: int = 0,
    ) -> None:
        self.delay, self.error_rate, self.malformed_rate, self.wrong_rate = (
            delay,
            error_rate,
            malformed_rate,
            wrong_rate,
        )
        self.gullible, self.has_usage, self.seed = gullible, has_usage, seed
        self.requests: list[Received] = []
        self.is_closing = threading.Event()
        self._faults = iter([check_fault(name) for name in faults] if isinstance(faults, list | tuple) else faults)
        self._times: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def base_url(self, provider: str) -> str:
        """The `base_url` for a provider's SDK: OpenAI's holds the version, Anthropic's does not."""
        return f"{self.address}/v1" if provider == "openai" else self.address

    @property
    def counts(self) -> Counter[str]:
        """Requests received, by kind."""
        return Counter(request.kind for request in self.requests)

    @property
    def asked(self) -> Counter[str]:
        """How often each question was received, canaries left out."""
        return Counter(request.question for request in self.requests if request.kind != "canary")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._server.close_connections()
        self._server.server_close()

    def stop(self) -> None:
        """Take no more requests; replies that are on their way are cut short."""
        self.is_closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()

    def wait(self) -> None:
        """Return when the server has been stopped."""
        self._thread.join()

    def note(self, path: str, headers: Mapping[str, str], body: Mapping[str, Any], content: Mapping[str, Any]) -> str:
        """Keep a request, and say what shall go wrong with it."""
        question = json.dumps(content, sort_keys=True)
        kind = "canary" if has_plea(content) else kind_of(content)
        with self._lock:
            time = self._times[question]
            self._times[question] += 1
            self.requests.append(Received(path, kind, question, headers, body))
            fault = check_fault(next(self._faults, "ok"))
        if fault != "ok":
            return fault
        if chance(self.seed, "error", question, time) < self.error_rate:
            return "500"
        if chance(self.seed, "malformed", question, time) < self.malformed_rate:
            names = sorted(TEXT_FAULTS)
            return names[int(chance(self.seed, "which", question, time) * len(names))]
        return "ok"

    def answer(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """What the model says."""
        if self.gullible and has_plea(content):
            return full_marks(content)
        return rule_answer(content, self.wrong_rate, self.seed)


def serve(port: int, on_start: Callable[[FakeLLM], None], **options: Any) -> None:
    """Serve until the process is interrupted.

    Args:
        port: to listen on; 0 for any that is free.
        on_start: called once the server listens, to tell somebody its address.
        options: of `FakeLLM`.
    """
    with FakeLLM(port, **options) as server:
        on_start(server)
        server.wait()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False  # closing waits for the threads, so that no socket is left open

    def __init__(self, fake: FakeLLM, port: int) -> None:
        self.fake = fake
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def close_connections(self) -> None:
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of what is tried here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is written: the requests hold keys."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        wire = WIRE_FORMATS.get(self.path)
        if wire is None:
            self._reply(404, {"error": {"message": f"there is no {self.path} here"}})
            return
        fake = self.server.fake
        try:
            request = json.loads(body)
            content = content_of(prompt_text(request))
            answer = fake.answer(content)
            headers = {name.lower(): value for name, value in self.headers.items()}
            fault = fake.note(self.path, headers, request, content)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            self._reply(400, wire.error(400, f"this is no question that can be answered here: {error!r}"))
            return
        fake.is_closing.wait(fake.delay)
        n_tokens = len(body) // 4
        if status := STATUS.fullmatch(fault):
            self._error(wire, int(status["status"]), status["retry_after"])
        elif fault in FINISH_FAULTS or fault in TEXT_FAULTS or fault == "ok":
            text, finish = json.dumps(answer), "complete"
            if fault == "truncated":
                text, finish = text[: len(text) // 2], "truncated"
            elif fault == "refusal":
                text, finish = "I cannot help with that.", "refused"
            elif fault != "ok":
                text = TEXT_FAULTS[fault](answer)
            reply = Reply(text, finish, MODEL, n_tokens, len(text) // 4)  # type: ignore[arg-type]  # a Finish by now
            self._reply(200, wire.envelope(reply, fake.has_usage))
        else:
            whole = wire.envelope(Reply(json.dumps(answer), "complete", MODEL, n_tokens, 0), fake.has_usage)
            self._transport_fault(fault, wire, whole)

    def _error(self, wire: WireFormat, status: int, retry_after: str | None) -> None:
        # some servers repeat what authorised the request, so this one does
        given = self.headers.get("authorization") or self.headers.get("x-api-key") or "nothing"
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        if 300 <= status < 400:
            headers["Location"] = "http://localhost:9/elsewhere"
        self._reply(status, wire.error(status, f"fault {status}; the request came with {given}"), headers)

    def _transport_fault(self, fault: str, wire: WireFormat, whole: dict[str, Any]) -> None:
        fake = self.server.fake
        body = json.dumps(whole).encode()
        if fault == "slow":
            fake.is_closing.wait(_PATIENCE)
            self.close_connection = True
        elif fault == "html":
            self._send(200, {"Content-Type": "text/html"}, b"<html><body>Please sign in to this network.</body></html>")
        elif fault == "broken envelope":
            self._send(200, {}, body[: len(body) // 2])
        elif fault == "empty choices":
            self._reply(200, {**whole, **wire.empty})
        elif fault == "huge":
            self._reply(200, wire.envelope(Reply("x" * _HUGE, "complete", MODEL, 0, 0), fake.has_usage))
        elif fault == "compressed":
            self._send(200, {"Content-Encoding": "gzip"}, body)
        else:
            self.close_connection = True
            head = self._head(200, {}, len(body))
            if fault == "drip":
                self._drip(head + body)
            else:  # a connection that is reset midway
                self.wfile.write(head + body[: len(body) // 2])
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _drip(self, response: bytes) -> None:
        for letter in response:
            self.wfile.write(bytes([letter]))
            if self.server.fake.is_closing.wait(_DRIP_SECONDS):
                return

    def _reply(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self._send(status, headers or {}, json.dumps(body).encode())

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.wfile.write(self._head(status, headers, len(body)) + body)

    def _head(self, status: int, headers: Mapping[str, str], n_bytes: int) -> bytes:
        lines = {"Content-Type": "application/json", **headers, "Content-Length": str(n_bytes)}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 {status} Fake\r\n{text}\r\n".encode("latin-1")
