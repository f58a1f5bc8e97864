"""A server between client and ledger that passes bytes on, and fails where a test says so."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from tests.contracts.authority import Authority

Fault = Callable[[bytes, Callable[[bytes], bytes]], bytes]
"""Gets a request and the way on, and gives an answer or raises `Broken`."""


class Broken(Exception):
    def __init__(self, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE, detail: str = "broken") -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Proxy(grpc.GenericRpcHandler):
    """`faults[method]` are used up one by one; `always[method]` stay."""

    def __init__(self, behind: str, platform: Authority, port: int = 0) -> None:
        self.calls: Counter[str] = Counter()
        self.faults: defaultdict[str, list[Fault]] = defaultdict(list)
        self.always: dict[str, Fault] = {}
        self._lock = threading.Lock()
        self._behind = grpc.secure_channel(
            behind,
            grpc.ssl_channel_credentials(platform.pem.encode()),
            options=[("grpc.ssl_target_name_override", "localhost"), ("grpc.max_receive_message_length", -1)],
        )
        self._server = grpc.server(
            ThreadPoolExecutor(32),
            handlers=[self],
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)],
        )
        certificate, key = platform.server("localhost")
        credentials = grpc.ssl_server_credentials([(key.encode(), certificate.encode())])
        self.port = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self._server.start()

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def stop(self) -> None:
        self._server.stop(0).wait()
        self._behind.close()

    def service(self, details: Any) -> Any:
        path: str = details.method
        if "Deliver" in path:
            return grpc.stream_stream_rpc_method_handler(
                lambda requests, context: self._stream(path, next(requests), context)
            )
        if path.endswith("Events"):
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self._stream(path, request, context)
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._unary(path, request, context)
        )

    def _unary(self, path: str, request: bytes, context: Any) -> bytes:
        fault = self._fault(path)
        on = self._behind.unary_unary(path)
        try:
            return fault(request, lambda data: bytes(on(data, timeout=context.time_remaining())))
        except Broken as broken:
            context.abort(broken.code, broken.detail)
        except grpc.RpcError as error:
            context.set_trailing_metadata(
                tuple(pair for pair in error.trailing_metadata() or () if pair[0].endswith("-bin"))
            )
            context.abort(error.code(), error.details())
        raise AssertionError

    def _stream(self, path: str, request: bytes, context: Any) -> Iterator[bytes]:
        """A fault is asked for each answer, with the answer in place of the request."""
        many = "Deliver" in path
        kind = self._behind.stream_stream if many else self._behind.unary_stream
        answers = kind(path)(iter([request]) if many else request)
        context.add_callback(answers.cancel)
        try:
            for answer in answers:
                yield self._fault(path)(answer, lambda data: data)
        except Broken as broken:
            answers.cancel()
            context.abort(broken.code, broken.detail)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())

    def _fault(self, path: str) -> Fault:
        method = path.rpartition("/")[2]
        with self._lock:
            self.calls[method] += 1
            if self.faults[method]:
                return self.faults[method].pop(0)
            return self.always.get(method, passed_on)


def passed_on(request: bytes, on: Callable[[bytes], bytes]) -> bytes:
    return on(request)


def before(request: bytes, on: Callable[[bytes], bytes]) -> bytes:
    """It dies before it does anything."""
    raise Broken


def after(request: bytes, on: Callable[[bytes], bytes]) -> bytes:
    """It does what it was asked for, and dies before it says so."""
    on(request)
    raise Broken


def swallowed(request: bytes, on: Callable[[bytes], bytes]) -> bytes:
    """It says that all is well and does nothing, as an orderer that dies before it cuts its block."""
    return b""


def said(answer: bytes) -> Fault:
    """It says something else."""
    return lambda request, on: answer


def failed(code: grpc.StatusCode, detail: str) -> Fault:
    def fail(request: bytes, on: Callable[[bytes], bytes]) -> bytes:
        raise Broken(code, detail)

    return fail
