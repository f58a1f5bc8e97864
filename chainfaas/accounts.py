"""People: registering them with their welcome deposit, their roles, deposits and withdrawals."""

from __future__ import annotations

import uuid
from contextlib import suppress

import structlog
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from chainfaas import functions
from chainfaas.errors import BadInput, Forbidden, KeyReused, Taken
from chainfaas.ledger import accounts as ledger
from chainfaas.models import User
from chainfaas.models.users import ROLES

log = structlog.get_logger()


def register(username: str, password: str, *, email: str = "", roles: list[str]) -> User:
    """A new user, once the welcome deposit is on the ledger. Raises BadInput or Taken."""
    user = User(username=username, email=email, roles=_checked(roles))
    try:
        user.set_unusable_password()
        user.full_clean(exclude=["password", "roles"], validate_unique=False)
        validate_password(password, user)
    except ValidationError as error:
        raise BadInput(" ".join(error.messages)) from error
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        user = _begun_before(username, password)
    welcome(user)
    log.info("user.registered", user=username, roles=user.roles)
    return user


def welcome(user: User) -> None:
    """What every account starts with. May be repeated: the ledger takes the deposit once."""
    if settings.WELCOME_CREDIT:
        with suppress(KeyReused):  # deposited before the amount was set anew
            ledger.deposit(str(user.id), settings.WELCOME_CREDIT, f"welcome-{user.id}")
    functions.ensure_example(user)
    User.objects.filter(id=user.id).update(welcomed=True)
    user.welcomed = True


def welcome_missed() -> None:
    """Users whose registration was cut off before their deposit."""
    for user in User.objects.filter(welcomed=False):
        welcome(user)


def change_roles(user: User, roles: list[str]) -> None:
    """Set a user's roles. A new developer finds `example`."""
    user.roles = _checked(roles)
    user.save(update_fields=["roles"])
    functions.ensure_example(user)


def deposit(user: User, amount: int, key: str | None = None) -> ledger.Balance:
    """Test money into the user's account; the balance after it. The same key again changes nothing."""
    ledger.deposit(str(user.id), _amount(amount), _operation("deposit", user, key))
    return balance(user)


def withdraw(user: User, amount: int, key: str | None = None) -> ledger.Balance:
    """Money out of the user's account; the balance after it. Raises NoFunds."""
    ledger.withdraw(str(user.id), _amount(amount), _operation("withdraw", user, key))
    return balance(user)


def balance(user: User) -> ledger.Balance:
    """What the user has, as the ledger has it now."""
    return ledger.balance(str(user.id))


def _begun_before(username: str, password: str) -> User:
    """The user of a registration that was cut off before its deposit: whoever asks again with the same
    password goes on with it. Raises Taken."""
    user = User.objects.filter(username=username, welcomed=False).first()
    if user is None or not user.check_password(password):
        raise Taken(f"The name {username!r} is taken.")
    return user


def _checked(roles: list[str]) -> list[str]:
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise BadInput(f"There is no role {unknown[0]!r}: use {', '.join(ROLES)}.")
    return sorted(set(roles))


def _amount(amount: int) -> int:
    if not settings.TEST_MONEY:
        raise Forbidden("This platform does not let users make money.")
    if not 0 < amount <= settings.LARGEST_DEPOSIT:
        raise BadInput(f"The amount must be between 1 and {settings.LARGEST_DEPOSIT} micro-units.")
    return amount


def _operation(kind: str, user: User, key: str | None) -> str:
    """The ledger's guard: the same key of the same user is the same operation."""
    name = uuid.uuid5(user.id, f"{kind}:{key}") if key is not None else uuid.uuid4()
    return f"{kind}-{name}"
