"""`/api/v1/providers`: the machines that a provider lends."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from kombu.exceptions import OperationalError
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chainfaas import machines
from chainfaas.api import pages, strict
from chainfaas.api.authentication import user
from chainfaas.api.pages import PageQuery
from chainfaas.api.permissions import Need
from chainfaas.api.schema import describe
from chainfaas.api.strict import Input, Number, Text, Whole
from chainfaas.api.views import View
from chainfaas.errors import BrokerAway, HostedHere, NotFound, Taken
from chainfaas.jobs import selectors
from chainfaas.machines import Enrolment
from chainfaas.models import Machine
from chainfaas.models.functions import CPUS, RATE
from chainfaas.models.users import NAME
from chainfaas.scheduler import candidates

SEE = Need(("read", "provider"))
LEND = Need(("provider",), role="provider")
WITHDRAW = Need(("provider",))


class MachineInput(Input):
    name = Text(
        max_length=40,
        validators=[RegexValidator(NAME, "Use lower-case letters, digits and inner hyphens, at most 40.")],
    )
    cpus = Number(min_value=CPUS[0], max_value=1024)
    memory_mb = Whole(min_value=64, max_value=16 * 2**20)
    slots = Whole(min_value=1, max_value=256, required=False, help_text="Jobs at the same time.")
    rate = Whole(
        min_value=RATE[0],
        max_value=RATE[1],
        required=False,
        help_text="Price in micro-units per 100 ms at 1024 MiB.",
    )


class NewMachine(MachineInput):
    csr = Text(max_length=8192, help_text="A certificate request (PEM) for the machine's own P-256 key.")


class MachineShape(serializers.Serializer[Machine]):
    id = serializers.CharField()
    name = serializers.CharField()
    state = serializers.SerializerMethodField(help_text="connected, away, paused, or unknown.")
    cpus = serializers.FloatField()
    memory_mb = serializers.IntegerField()
    slots = serializers.IntegerField()
    rate = serializers.IntegerField()
    paused = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    last_seen = serializers.DateTimeField(allow_null=True)

    def get_state(self, machine: Machine) -> str:
        connected: set[str] | None = self.context["connected"]
        if machine.paused:
            return "paused"
        if connected is None:
            return "unknown"
        return "connected" if machine.id in connected else "away"


class FullMachineShape(MachineShape):
    under_way = serializers.IntegerField(help_text="Jobs that it has now.")
    done = serializers.IntegerField(help_text="Jobs that it brought to an end.")
    earned = serializers.IntegerField(help_text="Micro-units.")

    def to_representation(self, instance: Machine) -> dict[str, Any]:
        return {**_shown(instance), **selectors.machine_figures(instance)}


class EnrolmentShape(MachineShape):
    """A new machine with what it needs to work. Shown this once."""

    broker_url = serializers.CharField(help_text="With the machine's own user and password.")
    task_queue = serializers.CharField()
    control_queue = serializers.CharField()
    upstream = serializers.CharField(help_text="The exchange that only this machine may write to.")
    ledger_url = serializers.CharField()
    certificate = serializers.CharField(help_text="PEM, signed by the platform.")


class Providers(View):
    needs = {"POST": LEND, "GET": SEE}

    @describe("enrolMachine", {201: EnrolmentShape}, Taken, HostedHere, BrokerAway, request=NewMachine)
    def post(self, request: Request) -> Response:
        """Enrol a machine. The answer has all that it needs to work, and is shown this once."""
        enrolment = machines.enrol(user(request), **strict.body(request, NewMachine))
        return Response(_shown_once(enrolment), status=201)

    @describe("listMachines", {200: pages.documented(MachineShape)}, parameters=[PageQuery])
    def get(self, request: Request) -> Response:
        """Your machines, by name."""
        rows = selectors.machines_of(user(request))
        return pages.of(request, rows, "name", MachineShape, connected=_connected())


class Provider(View):
    needs = {"GET": SEE, "PATCH": LEND, "DELETE": WITHDRAW}

    @describe("getMachine", {200: FullMachineShape}, NotFound)
    def get(self, request: Request, id: str) -> Response:
        """A machine of yours, what it does and what it earned."""
        return Response(FullMachineShape(selectors.machine(user(request), id)).data)

    @describe("changeMachine", {200: MachineShape}, NotFound, Taken, request=MachineInput(partial=True))
    def patch(self, request: Request, id: str) -> Response:
        """Change what it offers. Jobs that it has keep the rate that they came with."""
        machine = selectors.machine(user(request), id)
        fields = strict.body(request, MachineInput, partial=True)
        return Response(_shown(machines.change(machine, **fields)))

    @describe("removeMachine", {204: None}, NotFound, BrokerAway)
    def delete(self, request: Request, id: str) -> Response:
        """Let a machine go for good: its certificate counts no more, its queues are removed."""
        machines.leave(selectors.machine(user(request), id))
        return Response(status=204)


def _connected() -> set[str] | None:
    """The broker's word on who is connected, or None where it has none."""
    try:
        return candidates.connected()
    except OperationalError:
        return None


def _shown(machine: Machine) -> dict[str, Any]:
    return dict(MachineShape(machine, context={"connected": _connected()}).data)


def _shown_once(enrolment: Enrolment) -> dict[str, Any]:
    credentials = enrolment.credentials
    return {
        **_shown(enrolment.machine),
        "broker_url": credentials.url,
        "task_queue": credentials.task_queue,
        "control_queue": credentials.control_queue,
        "upstream": credentials.upstream,
        "ledger_url": settings.LEDGER_URL,
        "certificate": enrolment.machine.certificate,
    }


class Pause(View):
    needs = {"POST": WITHDRAW}

    @describe("pauseMachine", {200: MachineShape}, NotFound)
    def post(self, request: Request, id: str) -> Response:
        """No new jobs; it finishes what it has."""
        machine = selectors.machine(user(request), id)
        return Response(_shown(machines.change(machine, paused=True)))


class Resume(View):
    needs = {"POST": LEND}

    @describe("resumeMachine", {200: MachineShape}, NotFound)
    def post(self, request: Request, id: str) -> Response:
        """Give it jobs again."""
        machine = selectors.machine(user(request), id)
        return Response(_shown(machines.change(machine, paused=False)))
