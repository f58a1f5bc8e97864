"""Registering, signing in, roles, passwords and tokens."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from chainfaas.api import throttles
from chainfaas.errors import TooManyRequests
from chainfaas.models import User
from chainfaas.models.users import NAME, SCOPES
from portal.forms.form import Form, Look

NAME_RULE = "Lower-case letters, digits and inner hyphens, at most 40."
ROLES = [
    ("developer", "Developer: register functions, call them, pay for what they run"),
    ("provider", "Provider: lend machines that run functions, and be paid"),
    ("peer", "Peer: hold a copy of the ledger and check it"),
]
SCOPE_WORDS = {
    "deploy": "deploy: add, change and delete functions",
    "invoke": "invoke: call functions",
    "read": "read: see functions, jobs, results and balance",
    "provider": "provider: enrol and steer machines",
}


class RolesForm(Form):
    roles = forms.MultipleChoiceField(
        label="Roles",
        choices=ROLES,
        widget=forms.CheckboxSelectMultiple,
        help_text="One or more; you can change them later.",
        error_messages={"required": "Choose at least one role."},
    )


class RegisterForm(RolesForm):
    username = forms.CharField(
        label="User name",
        max_length=40,
        validators=[RegexValidator(NAME, NAME_RULE)],
        help_text=f"{NAME_RULE} It stands in the address of your functions.",
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        ),
    )
    email = forms.EmailField(
        label="E-mail",
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        help_text="At least 8 characters; not a common one, and not like your name.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="Password again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    field_order = ("username", "email", "password", "again", "roles")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "password" in cleaned:
            self._check_password(cleaned)
        return cleaned

    def _check_password(self, cleaned: dict[str, Any]) -> None:
        if "again" in cleaned and cleaned["again"] != cleaned["password"]:
            self.add_error("again", "The two passwords differ.")
        person = User(username=cleaned.get("username", ""), email=cleaned.get("email", ""))
        try:
            validate_password(cleaned["password"], person)
        except ValidationError as error:
            self.add_error("password", error)


class SignInForm(Look, AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "This user name and password do not go together. Both are case-sensitive.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"

    def clean(self) -> dict[str, Any]:
        """Guessing is slowed down for this name and address, together with that at the API."""
        assert self.request is not None  # noqa: S101 - the view gives it
        try:
            was_right = throttles.take_guess(self.request, self.cleaned_data.get("username", ""))
        except TooManyRequests as error:
            raise ValidationError("Too many wrong passwords. Wait a minute, then try again.") from error
        cleaned = super().clean()
        was_right()
        return cleaned


class PasswordForm(Look, PasswordChangeForm):
    pass


class TokenForm(Form):
    name = forms.CharField(
        label="Name",
        max_length=80,
        help_text="What it is for, such as “laptop” or “nightly build”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=[(scope, SCOPE_WORDS[scope]) for scope in SCOPES],
        initial=list(SCOPES),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one: a token that may do nothing is of no use."},
    )
