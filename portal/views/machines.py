"""A provider's machines: how to enrol one, how they do, pause, resume, let go."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from chainfaas import broker, machines
from chainfaas.errors import BadInput, Taken
from chainfaas.jobs import figures, selectors
from chainfaas.models import Job, Machine
from portal.errors import Visit, members, need
from portal.forms import OfferForm, sent
from portal.presence import state

LATEST = 20


@members
def index(request: Visit) -> HttpResponse:
    rows = [_row(machine) for machine in selectors.machines_of(request.user)]
    context = {"rows": rows, "earnings": figures.earnings(request.user)}
    return render(request, "portal/machines/list.html", context)


@members
def enrol(request: Visit) -> HttpResponse:
    """How to; a browser holds no key, so the machine itself does it."""
    context = {
        "remote": broker.connect(settings.BROKER_URL).remote,
        "base": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "portal/machines/enrol.html", context)


@members
def show(request: Visit, id: str) -> HttpResponse:
    machine = selectors.machine(request.user, id)
    jobs = Job.objects.filter(machine=machine).order_by("-id")[:LATEST]
    return render(request, "portal/machines/show.html", {**_row(machine), "jobs": jobs})


@members
def edit(request: Visit, id: str) -> HttpResponse:
    need(request, "provider")
    machine = selectors.machine(request.user, id)
    form = OfferForm(sent(request), initial={"name": machine.name, "rate": machine.rate})
    if form.is_valid():
        try:
            machines.change(machine, **form.cleaned_data)
        except Taken as error:
            form.refused(error, "name")
        except BadInput as error:
            form.refused(error)
        else:
            messages.success(request, "Saved.")
            return redirect("portal:machine", id)
    return render(request, "portal/machines/form.html", {"form": form, "machine_id": id})


@require_POST
@members
def pause(request: Visit, id: str) -> HttpResponse:
    machine = machines.change(selectors.machine(request.user, id), paused=True)
    messages.success(request, f"{machine.name} is paused: it finishes what it has and gets no more.")
    return redirect("portal:machine", id)


@require_POST
@members
def resume(request: Visit, id: str) -> HttpResponse:
    need(request, "provider")
    machine = machines.change(selectors.machine(request.user, id), paused=False)
    messages.success(request, f"{machine.name} takes jobs again.")
    return redirect("portal:machine", id)


@members
def leave(request: Visit, id: str) -> HttpResponse:
    machine = selectors.machine(request.user, id)
    if request.method != "POST":
        return render(request, "portal/machines/leave.html", _row(machine))
    machines.leave(machine)
    messages.success(request, f"{machine.name} has left. What it earned stays yours.")
    return redirect("portal:machines")


def _row(machine: Machine) -> dict[str, object]:
    return {"machine": machine, "state": state(machine), "figures": selectors.machine_figures(machine)}
