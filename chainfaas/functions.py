"""Functions: registering, changing, starting, stopping and deleting them."""

from __future__ import annotations

from math import isfinite
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction

from chainfaas.errors import BadInput, NotFound, Taken
from chainfaas.models import Function, User
from chainfaas.models.functions import EXAMPLE, EXAMPLE_IMAGE
from tasks import limits


def create(owner: User, **fields: Any) -> Function:
    """A new function. Raises BadInput or Taken."""
    function = Function(owner=owner, **fields)
    _check(function)
    try:
        with transaction.atomic():
            function.save(force_insert=True)
    except IntegrityError as error:
        raise Taken(f"There is a function {function.full_name!r} already.") from error
    return function


def change(function: Function, **fields: Any) -> Function:
    """Change a function; jobs under way keep the terms that they were called with."""
    for name, value in fields.items():
        setattr(function, name, value)
    _check(function)
    return _save(function, *fields)


def switch(function: Function, *, active: bool) -> Function:
    """Start or stop taking calls. Jobs under way go on."""
    function.active = active
    return _save(function, "active")


def delete(function: Function) -> None:
    """Take a function away. Its jobs stay, with the terms that they were called with."""
    function.delete()


def ensure_example(user: User) -> None:
    """A developer finds the bundled word count under the own name."""
    if user.has_role("developer"):
        Function.objects.get_or_create(owner=user, name=EXAMPLE, defaults={"image": EXAMPLE_IMAGE})


def _save(function: Function, *fields: str) -> Function:
    """Write these fields and no other: somebody else may change others, or delete the function, just now."""
    try:
        with transaction.atomic():
            function.save(update_fields=[*fields, "updated_at"])
    except IntegrityError as error:
        raise Taken(f"There is a function {function.full_name!r} already.") from error
    except DatabaseError as error:
        if Function.objects.filter(id=function.id).exists():
            raise
        raise NotFound(f"The function {function.full_name} was deleted just now.") from error
    return function


def _check(function: Function) -> None:
    try:
        function.full_clean(exclude=["owner", "env"], validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise BadInput(
            " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        ) from error
    if not isfinite(function.cpus):
        raise BadInput("cpus: give a number.")
    if function.public and function.daily_budget is None:
        raise BadInput("A public function needs a daily_budget: you pay for the calls of others.")
    _check_environment(function.env)


def _check_environment(env: Any) -> None:
    if not isinstance(env, dict) or not all(isinstance(v, str) for v in env.values()):
        raise BadInput("env: give names and texts.")
    for name, value in env.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise BadInput(f"env: {name!r} is no name of a variable, or its value has a NUL.")
        if name.startswith("CHAINFAAS_"):
            raise BadInput("env: names that start with CHAINFAAS_ are the platform's.")
    try:
        size = sum(len(name.encode()) + len(value.encode()) for name, value in env.items())
    except UnicodeEncodeError as error:
        raise BadInput("env: a text is not valid Unicode.") from error
    if size > limits.ENVIRONMENT:
        raise BadInput(f"env: all together may have {limits.ENVIRONMENT} bytes.")
