"""How every form looks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, QueryDict

from chainfaas.errors import ChainFaaSError


class Look:
    """For any Django form: our template, one block a field."""

    template_name = "portal/forms/form.html"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)


class Form(Look, forms.Form):
    """A form whose call may still be refused, which is told where the form's own errors are."""

    def refused(self, error: ChainFaaSError, field: str | None = None) -> None:
        self.add_error(field, error.detail)


def sent(request: HttpRequest) -> QueryDict | None:
    """What was sent with a form, if one was: a form with nothing ticked is not the same as none."""
    return request.POST if request.method == "POST" else None
