"""A memory transport that refuses as many reports as it is told, as a broken connection does."""

from __future__ import annotations

from typing import Any, ClassVar

from kombu.transport import memory

from tasks import topology


class Channel(memory.Channel):
    failures: ClassVar[int] = 0  #: how many more reports it refuses

    def basic_publish(self, message: Any, exchange: str, routing_key: str, **kwargs: Any) -> Any:
        if exchange.startswith(topology.upstream("")) and Channel.failures:
            Channel.failures -= 1
            raise ConnectionResetError("the broker went away")
        return super().basic_publish(message, exchange, routing_key, **kwargs)


class Transport(memory.Transport):
    Channel = Channel
