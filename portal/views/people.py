"""Registering, signing in and out, roles and password."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.contrib.auth import views as auth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from chainfaas import accounts
from chainfaas.api import threads, throttles
from chainfaas.errors import BadInput, LedgerAway, Taken
from portal.errors import Visit, members, page
from portal.forms import PasswordForm, RegisterForm, RolesForm, SignInForm, sent

log = structlog.get_logger()


@sensitive_post_parameters()
@page
def register(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("portal:home")
    form = RegisterForm(sent(request), initial={"roles": ["developer"]})
    if form.is_valid():
        throttles.take_registration(request)
        if threads.passwords.wait(_registered, request, form):
            return redirect("portal:home")
    return render(request, "portal/people/register.html", {"form": form})


def _registered(request: HttpRequest, form: RegisterForm) -> bool:
    """Whether the person is registered, and so signed in."""
    username, password = form.cleaned_data["username"], form.cleaned_data["password"]
    try:
        accounts.register(
            username, password, email=form.cleaned_data["email"], roles=form.cleaned_data["roles"]
        )
    except Taken as error:
        form.refused(error, "username")
    except BadInput as error:
        form.refused(error)
    except LedgerAway:
        # The account is made; the sweep of missed welcomes brings the deposit.
        log.warning("welcome.missed", user=username)
        messages.warning(request, "The ledger is away. Your welcome deposit follows when it is back.")
    if form.errors:
        return False
    login(request, authenticate(request, username=username, password=password))
    return True


class InLine:
    """A form with a password: so many from one address, and few at once, together with those at the API."""

    @method_decorator(page)  # type: ignore[arg-type] # the stubs want a base class of what a page answers
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        throttles.take_password(request)
        answered: HttpResponse = threads.passwords.wait(super().post, request, *args, **kwargs)  # type: ignore[misc]
        return answered


class SignIn(InLine, auth.LoginView):
    template_name = "portal/people/signin.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


@members
def account(request: Visit) -> HttpResponse:
    """Who I am here, and my roles."""
    form = RolesForm(sent(request), initial={"roles": request.user.roles})
    if form.is_valid():
        accounts.change_roles(request.user, form.cleaned_data["roles"])
        messages.success(request, "Your roles are changed.")
        return redirect("portal:account")
    return render(request, "portal/people/account.html", {"form": form})


class Password(InLine, auth.PasswordChangeView):
    template_name = "portal/people/password.html"
    form_class = PasswordForm
    success_url = reverse_lazy("portal:account")

    def form_valid(self, form: Any) -> HttpResponse:
        text = "Your password is changed. Tokens stay as they are; revoke them one by one."
        messages.success(self.request, text)
        return super().form_valid(form)
