"""What every page we serve has in common: who may ask, how much they may send, and what their browser may do.

`Guard` wraps an ASGI application:

- **Host**: names other than localhost, IP addresses and those allowed are refused, so that a stranger's domain that is
  pointed at this machine (DNS rebinding) gets nothing.
- **Origin**: requests that change or cost something are taken from our own page and from programs, not from other
  sites.
- **Body**: limited by path, counted as it comes, with a time-out between its parts.
- **Admission**: only so many costly requests at once; the rest is told when to come again.
- **Headers**: no scripts but our files, no frames, no sniffing, no referrer, nothing cached that a user sent.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MEGABYTE = 1_000_000

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_DRAIN_SECONDS = 5.0


class Refusal(HTTPException):
    """An answer other than success: a status and one line of what, where and how to mend it.

    >>> Refusal(413, "too large").detail
    'too large'
    """

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        headers = {"retry-after": str(retry_after)} if retry_after is not None else None
        super().__init__(status, " ".join(message.split()), headers)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What `Guard` lets in."""

    hosts: frozenset[str] = frozenset()
    """Names, besides localhost and IP addresses, under which the page may be asked for; lower case, without port."""
    body: int = MEGABYTE
    """Largest body in bytes."""
    bodies: Mapping[str, int] = field(default_factory=dict)
    """Other limits, by exact path."""
    costly: frozenset[str] = frozenset()
    """Paths whose POST requests are counted."""
    at_once: int = 32
    """How many of them may be on their way: sending, waiting and running."""
    receive_seconds: float = 30.0
    """Longest pause between two parts of a body."""


class Guard:
    """The checks above around an ASGI application.

    Args:
        app: what is protected.
        policy: what is let in.
        retry_after: seconds after which a refused request has a chance; asked at each refusal.
    """

    def __init__(self, app: Application, policy: Policy, retry_after: Callable[[], int] = lambda: 5) -> None:
        self.app, self.policy = app, policy
        self.busy = 0
        """Costly requests on their way."""
        self._retry_after = retry_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _with_headers(send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        costly = scope["method"] == "POST" and scope["path"] in self.policy.costly
        limit = self.policy.bodies.get(scope["path"], self.policy.body)
        try:
            check_host(scope, self.policy.hosts)
            check_origin(scope, self.policy.hosts)
            _check_length(scope, limit)
            if costly and self.busy >= self.policy.at_once:
                raise Refusal(503, "too many requests are waiting: try again later", retry_after=self._retry_after())
        except Refusal as refusal:
            await _drain(scope, receive, limit)
            await send_error(send, refusal)
            return
        self.busy += costly
        try:
            await self.app(scope, self._limited(receive, limit), send)
        finally:
            self.busy -= costly

    def _limited(self, receive: Receive, limit: int) -> Receive:
        """`receive` that counts the body and does not wait for ever; the Refusals it raises are the app's to send."""
        taken, complete = 0, False

        async def limited() -> Message:
            nonlocal taken, complete
            if complete:
                return await receive()  # the only message left is that the client has gone: that may take long
            try:
                message = await asyncio.wait_for(receive(), self.policy.receive_seconds)
            except TimeoutError:
                raise Refusal(408, "the request stopped arriving: send it again") from None
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _too_large(limit)
            complete = not message.get("more_body", False)
            return message

        return limited


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def check_host(scope: Scope, allowed: frozenset[str]) -> None:
    """Raise `Refusal` unless the request names a host that cannot be a stranger's."""
    values = _header(scope, b"host")
    if len(values) != 1:
        raise Refusal(400, "the request must have one Host header")
    if not host_allowed(values[0], allowed):
        raise Refusal(421, f"host {values[0][:80]!r} is not served here: start with --allow-host to allow a name")


def host_allowed(host: str, allowed: frozenset[str]) -> bool:
    """Whether a Host header, with or without port, is localhost, an IP address or among `allowed`.

    A page of a stranger's domain sends that domain, whatever address it resolves to; it cannot send these.

    >>> hosts = ("localhost:7860", "[::1]:80", "Fusion.lab", "evil.example")
    >>> [host_allowed(host, frozenset({"fusion.lab"})) for host in hosts]
    [True, True, True, False]
    """
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not name or "@" in host or "/" in host:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost") or name.rstrip(".") in allowed
    return True


def check_origin(scope: Scope, allowed: frozenset[str]) -> None:
    """Raise `Refusal` if another site's page sends something; programs send no Origin and are welcome."""
    if scope["method"] in _SAFE_METHODS:
        return
    origins = _header(scope, b"origin")
    if any(site == "cross-site" for site in _header(scope, b"sec-fetch-site")) or len(origins) > 1:
        raise Refusal(403, "requests from other sites are refused: use the page itself or a program")
    if origins:
        origin = urlsplit(origins[0])
        if origin.netloc != _header(scope, b"host")[0] and (origin.hostname or "") not in allowed:
            raise Refusal(403, f"requests from {origins[0][:80]!r} are refused: use the page itself or a program")


def _check_length(scope: Scope, limit: int) -> None:
    for value in _header(scope, b"content-length"):
        if not value.isdecimal():
            raise Refusal(400, "the Content-Length header is not a number")
        if int(value) > limit:
            raise _too_large(limit)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"the request is larger than {limit / MEGABYTE:g} MB: send less, or raise the server's limit")


async def _drain(scope: Scope, receive: Receive, limit: int) -> None:
    """Throw away what the client is still sending, for a while: browsers show no answer that comes before its end."""
    left = 2 * limit

    async def take() -> None:
        nonlocal left
        while left > 0:
            message = await receive()
            left -= max(1, len(message.get("body", b"")))
            if message["type"] != "http.request" or not message.get("more_body", False):
                return

    try:
        await asyncio.wait_for(take(), _DRAIN_SECONDS)
    except TimeoutError:
        return


async def send_error(send: Send, refusal: Refusal) -> None:
    """Answer with the refusal as JSON, {"error": "..."}."""
    body = json.dumps({"error": refusal.detail}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **(refusal.headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status_code, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    """`send` that adds our headers to every answer; nothing is cached unless the answer says so itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", ())}
            added = {"cache-control": "no-store", **HEADERS}
            message["headers"] = [
                *message.get("headers", ()),
                *((name.encode(), value.encode()) for name, value in added.items() if name.encode() not in given),
            ]
        await send(message)

    return sending
