"""The HTTP client below the SDKs: it sends a key to one server only, and reads no more than a reply can be."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2

MOST_BYTES = 1 << 20
"""A longer response is refused: the longest answers to our questions have some ten thousand bytes."""

_HEADERS = {
    *("accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"),
    *("anthropic-version", "authorization", "idempotency-key", "x-api-key"),
}


class UnacceptableResponse(httpx2.TransportError):
    """A response that is not read to its end."""


def guarded_client(key: str, *, is_own_server: bool, is_local: bool) -> httpx2.Client:
    """An HTTP client that follows no redirect, and refuses responses that are too long or compressed.

    Args:
        key: what authorises the requests.
        is_own_server: whether the server is not the vendor's. Then nothing is sent to it that the SDK takes from the
            environment for the vendor (organisation, project, further headers, which may hold another key).
        is_local: whether the server is on this machine. Then no proxy is asked.
    """

    def before(request: httpx2.Request) -> None:
        request.headers["Accept-Encoding"] = "identity"
        if is_own_server:
            _strip(request.headers, key)

    return httpx2.Client(
        follow_redirects=False, trust_env=not is_local, event_hooks={"request": [before], "response": [_guard]}
    )


def _strip(headers: httpx2.Headers, key: str) -> None:
    for name in list(headers):
        if name not in _HEADERS and not name.startswith("x-stainless-"):
            del headers[name]
    for name, value in (("authorization", f"Bearer {key}"), ("x-api-key", key)):
        if name in headers:
            headers[name] = value


def _guard(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise UnacceptableResponse("the reply is compressed, which was not asked for: its size could be anything")
    if isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = _Capped(response.stream)


class _Capped(httpx2.SyncByteStream):
    """A body that ends in an error once it is too long."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        n_bytes = 0
        for chunk in self._stream:
            n_bytes += len(chunk)
            if n_bytes > MOST_BYTES:
                raise UnacceptableResponse(f"the reply is longer than {MOST_BYTES:,} bytes and was not read to its end")
            yield chunk

    def close(self) -> None:
        self._stream.close()
