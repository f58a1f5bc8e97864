"""Tokens: what speaks for a person to the API."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from chainfaas.models import Token
from portal.errors import Visit, members
from portal.forms import TokenForm, sent


@members
def tokens(request: Visit) -> HttpResponse:
    """My tokens, and a new one: its text is in the answer to the form, and nowhere else ever."""
    form = TokenForm(sent(request))
    text = None
    if form.is_valid():
        _, text = Token.issue(request.user, form.cleaned_data["name"], form.cleaned_data["scopes"])
        form = TokenForm()
    mine = Token.objects.filter(user=request.user).order_by("-created_at")
    return render(request, "portal/tokens/list.html", {"form": form, "tokens": mine, "text": text})


@members
def revoke(request: Visit, id: str) -> HttpResponse:
    token = Token.objects.filter(user=request.user, id=id).first()
    if token is None:
        raise Http404
    if request.method != "POST":
        return render(request, "portal/tokens/revoke.html", {"token": token})
    token.delete()
    messages.success(request, f"The token {token.name} is revoked.")
    return redirect("portal:tokens")
