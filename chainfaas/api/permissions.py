"""What a call needs: a token's scope, and a role of its user. Each view says it for each of its methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from chainfaas.api.authentication import token, user
from chainfaas.errors import Forbidden, NotSignedIn
from chainfaas.models import Token
from chainfaas.models.users import SCOPES


@dataclass(frozen=True)
class Need:
    """What one method of a view needs."""

    scopes: tuple[str, ...] = ()  #: any of these does; none named: any token does
    whole: bool = False  #: only a token that may do everything
    role: str | None = None
    token: bool = True  #: False: a call without a token is welcome, too


class HasNeeds(Protocol):
    needs: ClassVar[dict[str, Need]]


OPEN = Need(token=False)
ACCOUNT = Need(whole=True)
"""Money, roles and tokens: a token that somebody gave away for one purpose must not reach them."""
READ = Need(("read",))


class May(BasePermission):
    """Raises what is missing, and how to get it."""

    def has_permission(self, request: Request, view: HasNeeds) -> bool:  # type: ignore[override]
        need = view.needs.get("GET" if request.method == "HEAD" else str(request.method))
        if need is None:
            return True  # the view does not take this method, and will say so
        brought = token(request)
        if brought is None:
            if need.token:
                raise NotSignedIn
            return True
        self._check_scopes(brought, need)
        if need.role is not None and not user(request).has_role(need.role):
            roles = [*user(request).roles, need.role]
            raise Forbidden(
                f"This needs the role {need.role}. Take it with `PATCH /api/v1/me` "
                f'{{"roles": {_json(roles)}}}.'
            )
        return True

    def _check_scopes(self, token: Token, need: Need) -> None:
        has = set(token.scopes)
        if has < set(SCOPES) if need.whole else need.scopes and not has & set(need.scopes):
            which = "every scope" if need.whole else f"the scope {' or '.join(need.scopes)}"
            raise Forbidden(
                f"This needs a token with {which}; this one has {', '.join(token.scopes) or 'none'}. "
                "Make another with `POST /api/v1/tokens`."
            )


def _json(texts: list[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"
