"""A developer's functions: add, edit, start, stop, delete, try."""

from __future__ import annotations

from contextlib import suppress

import structlog
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from chaincode import pricing
from chainfaas import dispatch, functions
from chainfaas.errors import BadInput, ChainFaaSError, Taken
from chainfaas.jobs import figures, lifecycle, selectors
from chainfaas.models import Function, Job
from portal.errors import Visit, members, need
from portal.forms import FunctionForm, TryItForm, sent

log = structlog.get_logger()

LATEST = 10


@members
def index(request: Visit) -> HttpResponse:
    return render(request, "portal/functions/list.html", {"functions": selectors.functions_of(request.user)})


@members
def new(request: Visit) -> HttpResponse:
    need(request, "developer")
    form = FunctionForm(sent(request))
    if form.is_valid():
        try:
            function = functions.create(request.user, **form.cleaned_data)
        except Taken as error:
            form.refused(error, "name")
        except BadInput as error:
            form.refused(error)
        else:
            messages.success(request, f"The function {function.name} is ready to be called.")
            return _to(function)
    return render(request, "portal/functions/form.html", {"form": form})


@members
def show(request: Visit, owner: str, name: str) -> HttpResponse:
    """A function of mine, or a public one of somebody else's."""
    function = selectors.function(request.user, owner, name, to_call=True)
    return _shown(request, function, TryItForm())


@members
def edit(request: Visit, owner: str, name: str) -> HttpResponse:
    need(request, "developer")
    function = selectors.function(request.user, owner, name)
    form = FunctionForm.of(function, sent(request))
    if form.is_valid():
        try:
            functions.change(function, **form.cleaned_data)
        except BadInput as error:
            form.refused(error)
        else:
            messages.success(request, "Saved. Jobs under way keep what they were called with.")
            return _to(function)
    return render(request, "portal/functions/form.html", {"form": form, "function": function})


@require_POST
@members
def start(request: Visit, owner: str, name: str) -> HttpResponse:
    need(request, "developer")
    function = functions.switch(selectors.function(request.user, owner, name), active=True)
    messages.success(request, f"{function.name} takes calls again.")
    return _to(function)


@require_POST
@members
def stop(request: Visit, owner: str, name: str) -> HttpResponse:
    function = functions.switch(selectors.function(request.user, owner, name), active=False)
    messages.success(request, f"{function.name} is stopped: calls are refused, jobs under way go on.")
    return _to(function)


@members
def delete(request: Visit, owner: str, name: str) -> HttpResponse:
    function = selectors.function(request.user, owner, name)
    if request.method != "POST":
        return render(request, "portal/functions/delete.html", {"function": function})
    functions.delete(function)
    messages.success(request, f"The function {name} is deleted. Its jobs stay.")
    return redirect("portal:functions")


@require_POST
@members
def try_it(request: Visit, owner: str, name: str) -> HttpResponse:
    """Call it as an asynchronous call of the API does, and follow the job on its page."""
    function = selectors.function(request.user, owner, name, to_call=True)
    form = TryItForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            job, _ = lifecycle.submit(function, request.user, form.body())
        except ChainFaaSError as error:
            form.refused(error)
        else:
            with suppress(OperationalError):  # the sweeper places it when the broker is back
                dispatch.place(job.key)
            return redirect("portal:job", job.id)
    return _shown(request, function, form)


def _shown(request: Visit, function: Function, form: TryItForm) -> HttpResponse:
    jobs = selectors.jobs_of(request.user).filter(function=function)
    mine = function.owner == request.user
    context = {
        "function": function,
        "mine": mine,
        "form": form,
        "jobs": jobs[:LATEST],
        "figures": figures.calls(Job.objects.filter(function=function)) if mine else None,
        "most": pricing.hold(function.timeout_ms, function.max_rate, function.memory_mb),
        "base": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "portal/functions/show.html", context, status=400 if form.errors else 200)


def _to(function: Function) -> HttpResponse:
    return redirect("portal:function", function.owner.username, function.name)
