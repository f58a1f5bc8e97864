"""`/api/v1/functions`: what a developer deployed."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chainfaas import functions
from chainfaas.api import pages, strict
from chainfaas.api.authentication import user
from chainfaas.api.pages import PageQuery
from chainfaas.api.permissions import Need
from chainfaas.api.schema import describe
from chainfaas.api.strict import Input, Number, Switch, Text, Whole
from chainfaas.api.views import View
from chainfaas.errors import NotFound, Taken
from chainfaas.jobs import selectors
from chainfaas.models import Function
from chainfaas.models.functions import CPUS, IMAGE, MEMORY_MB, RATE, TIMEOUT_S
from chainfaas.models.users import NAME

SEE = Need(("read", "deploy"))
DEPLOY = Need(("deploy",), role="developer")
REMOVE = Need(("deploy",))


class FunctionInput(Input):
    name = Text(
        max_length=40,
        validators=[RegexValidator(NAME, "Use lower-case letters, digits and inner hyphens, at most 40.")],
    )
    image = Text(max_length=255, validators=[RegexValidator(IMAGE, "This is no image reference.")])
    memory_mb = Whole(min_value=MEMORY_MB[0], max_value=MEMORY_MB[1], required=False)
    cpus = Number(min_value=CPUS[0], max_value=CPUS[1], required=False)
    timeout_s = Whole(min_value=TIMEOUT_S[0], max_value=TIMEOUT_S[1], required=False)
    env = serializers.DictField(child=Text(allow_blank=True), required=False)
    network = Switch(required=False, help_text="Whether it may use the network.")
    public = Switch(required=False, help_text="Whether calls need no token; you pay for them.")
    max_rate = Whole(
        min_value=RATE[0],
        max_value=RATE[1],
        required=False,
        help_text="Most to pay, in micro-units per 100 ms at 1024 MiB.",
    )
    daily_budget = Whole(
        min_value=0,
        max_value=2**53 - 1,
        allow_null=True,
        required=False,
        help_text="Micro-units that calls by others may cost in a UTC day; a public function needs it.",
    )


class FunctionReplacement(FunctionInput):
    """All of a function: what is left out gets its default. It keeps its name, unless that is given too."""

    name = Text(
        max_length=40,
        required=False,
        validators=[RegexValidator(NAME, "Use lower-case letters, digits and inner hyphens, at most 40.")],
    )


class FunctionShape(serializers.Serializer[Function]):
    owner = serializers.CharField(source="owner.username")
    name = serializers.CharField()
    image = serializers.CharField()
    memory_mb = serializers.IntegerField()
    cpus = serializers.FloatField()
    timeout_s = serializers.IntegerField()
    env = serializers.DictField(child=serializers.CharField())
    network = serializers.BooleanField()
    public = serializers.BooleanField()
    max_rate = serializers.IntegerField()
    daily_budget = serializers.IntegerField(allow_null=True)
    active = serializers.BooleanField(help_text="Whether it takes calls.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class Functions(View):
    needs = {"POST": DEPLOY, "GET": SEE}

    @describe("createFunction", {201: FunctionShape}, Taken, request=FunctionInput)
    def post(self, request: Request) -> Response:
        """Deploy a function."""
        function = functions.create(user(request), **strict.body(request, FunctionInput))
        return Response(FunctionShape(function).data, status=201, headers={"Location": _address(function)})

    @describe("listFunctions", {200: pages.documented(FunctionShape)}, parameters=[PageQuery])
    def get(self, request: Request) -> Response:
        """Your functions, by name."""
        return pages.of(request, selectors.functions_of(user(request)), "name", FunctionShape)


class OneFunction(View):
    needs = {"GET": SEE, "PUT": DEPLOY, "PATCH": DEPLOY, "DELETE": REMOVE}

    @describe("getFunction", {200: FunctionShape}, NotFound)
    def get(self, request: Request, owner: str, name: str) -> Response:
        """A function of yours."""
        return Response(FunctionShape(selectors.function(user(request), owner, name)).data)

    @describe("replaceFunction", {200: FunctionShape}, NotFound, Taken, request=FunctionReplacement)
    def put(self, request: Request, owner: str, name: str) -> Response:
        """Say all of a function anew. Jobs under way keep the terms that they were called with."""
        function = selectors.function(user(request), owner, name)
        fields = {**_defaults(), **strict.body(request, FunctionReplacement)}
        return Response(FunctionShape(functions.change(function, **fields)).data)

    @describe("changeFunction", {200: FunctionShape}, NotFound, Taken, request=FunctionInput(partial=True))
    def patch(self, request: Request, owner: str, name: str) -> Response:
        """Change some of a function. Jobs under way keep the terms that they were called with."""
        function = selectors.function(user(request), owner, name)
        fields = strict.body(request, FunctionInput, partial=True)
        return Response(FunctionShape(functions.change(function, **fields)).data)

    @describe("deleteFunction", {204: None}, NotFound)
    def delete(self, request: Request, owner: str, name: str) -> Response:
        """Take a function away. Jobs under way go on."""
        functions.delete(selectors.function(user(request), owner, name))
        return Response(status=204)


class StartFunction(View):
    needs = {"POST": DEPLOY}

    @describe("startFunction", {200: FunctionShape}, NotFound)
    def post(self, request: Request, owner: str, name: str) -> Response:
        """Let it be called again."""
        function = selectors.function(user(request), owner, name)
        return Response(FunctionShape(functions.switch(function, active=True)).data)


class StopFunction(View):
    needs = {"POST": REMOVE}

    @describe("stopFunction", {200: FunctionShape}, NotFound)
    def post(self, request: Request, owner: str, name: str) -> Response:
        """Refuse further calls. Jobs under way go on."""
        function = selectors.function(user(request), owner, name)
        return Response(FunctionShape(functions.switch(function, active=False)).data)


def _address(function: Function) -> str:
    return f"/api/v1/functions/{function.full_name}"


def _defaults() -> dict[str, Any]:
    """What a function has where nothing is said."""
    optional = ("memory_mb", "cpus", "timeout_s", "env", "network", "public", "max_rate", "daily_budget")
    return {name: Function._meta.get_field(name).get_default() for name in optional}  # type: ignore[union-attr]
