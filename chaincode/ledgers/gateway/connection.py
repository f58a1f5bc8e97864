"""Calls over long-lived channels, one for each address; the next address where one is away.

"Client applications should not create new connections for every transaction" (fabric-samples).
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from chaincode.errors import Unavailable
from chaincode.ledgers.gateway import failures
from chaincode.ledgers.gateway.address import Address

LARGEST_MESSAGE = 100 * 2**20
"""Bytes; Fabric's own limit (peer's MaxRecvMsgSize). A block may hold many transactions."""

PATIENCE_S = 5.0
"""How long a call that changes nothing is tried again, at one address after the other. A dead peer's
neighbours need up to two seconds to forget it."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5

_OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.keepalive_time_ms", 90_000),  # peers refuse pings within 60 s of each other
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.enable_retries", 0),  # a call that changes something is ours to repeat
    ("grpc.use_local_subchannel_pool", 1),  # two views of one server do not share each other's troubles
)


@dataclass(frozen=True)
class Method:
    """One of a service's methods, with its message types and its deadline."""

    path: str
    request: Any
    response: Any
    deadline_s: float


class Connection:
    """Safe to use from several threads."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._channels: dict[str, grpc.Channel] = {}
        self._opening = threading.Lock()
        self._current = 0  # the address that answered last
        self._closed = False

    def call(self, method: Method, request: Any) -> Any:
        """Once, at the current address. Raises what `failures` makes of it; where the address is away, the
        next call goes to the next one."""
        with self._failures() as channel:
            return _unary(channel, method)(request, timeout=method.deadline_s)

    def ask(self, method: Method, request: Any) -> Any:
        """For calls that change nothing: at one address after the other, for as long as patience goes."""
        give_up = time.monotonic() + PATIENCE_S
        pause = pauses()
        while True:
            for _ in self._address.hosts:
                try:
                    return self.call(method, request)
                except Unavailable as failure:
                    last = failure
            wait = next(pause)
            if self._closed or time.monotonic() + wait > give_up:
                raise last
            time.sleep(wait)

    def stream(self, method: Method, requests: Any, *, endless: bool = False) -> Iterator[Any]:
        """Each answer of a method that streams: after one request, or an iterator of them. Ended by a
        deadline, if it is not `endless`."""
        many = hasattr(requests, "__next__")
        with self._failures() as channel:
            kind = channel.stream_stream if many else channel.unary_stream
            opened: Callable[..., Any] = kind(
                method.path, method.request.SerializeToString, method.response.FromString
            )
            answers = opened(requests, timeout=None if endless else method.deadline_s)
            try:
                yield from answers
            finally:
                answers.cancel()

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        with self._opening:
            self._closed = True
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()

    @contextmanager
    def _failures(self) -> Iterator[grpc.Channel]:
        current = self._current
        channel = self._channel(current)
        try:
            yield channel
        except grpc.RpcError as error:
            failure = failures.of(error)
            if isinstance(failure, Unavailable):
                self._leave(current)
            raise failure from error
        except ValueError as error:  # grpc's word for a channel that was closed meanwhile
            if not self._closed:
                raise
            raise Unavailable("the ledger is closed") from error

    def _channel(self, current: int) -> grpc.Channel:
        host = self._address.hosts[current]
        with self._opening:
            if self._closed:
                raise Unavailable("the ledger is closed")
            if host not in self._channels:
                self._channels[host] = self._open(host)
            return self._channels[host]

    def _open(self, host: str) -> grpc.Channel:
        options: tuple[tuple[str, Any], ...] = _OPTIONS
        if self._address.server_name:
            options += (("grpc.ssl_target_name_override", self._address.server_name),)
        credentials = grpc.ssl_channel_credentials(root_certificates=self._address.roots())
        return grpc.secure_channel(host, credentials, options=options)

    def _leave(self, failed: int) -> None:
        """Go on to the next address, unless another thread has done so."""
        with self._opening:
            if self._current == failed:
                self._current = (failed + 1) % len(self._address.hosts)


def pauses() -> Iterator[float]:
    """Growing, and random so that many callers do not come back at once."""
    for round_ in itertools.count():
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(round_, 10))
        yield random.uniform(longest / 2, longest)  # noqa: S311 - spreads the callers, keeps no secret


def _unary(channel: grpc.Channel, method: Method) -> Callable[..., Any]:
    made: Callable[..., Any] = channel.unary_unary(
        method.path, method.request.SerializeToString, method.response.FromString
    )
    return made
