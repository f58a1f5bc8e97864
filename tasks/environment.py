"""How settings are read from the environment, the same on both sides."""

from __future__ import annotations

from typing import Any

import environ
from environ.compat import ImproperlyConfigured  # type: ignore[attr-defined] # environ has no types


class Environment(environ.FileAwareEnv):
    """A secret may be given as NAME or as NAME_FILE. A value that is not what it should be is named."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} is not what it should be: {error}") from error
