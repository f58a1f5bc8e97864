"""A memory transport whose broker is away for a while: publishing fails as on a broken connection."""

from __future__ import annotations

from typing import Any, ClassVar

from kombu.transport import memory


class Channel(memory.Channel):
    failures: ClassVar[int] = 0

    def basic_publish(self, *args: Any, **kwargs: Any) -> Any:
        if Channel.failures:
            Channel.failures -= 1
            raise ConnectionResetError("the broker went away")
        return super().basic_publish(*args, **kwargs)


class Transport(memory.Transport):
    Channel = Channel
