"""Amounts."""

from __future__ import annotations

import uuid

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from portal.forms.form import Form


class AmountForm(Form):
    """An amount, and a key made with the page: sending the same form twice moves the money once."""

    amount = forms.CharField(
        label="Amount, µ",
        max_length=30,
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "off", "placeholder": "1,000,000"}
        ),
    )
    key = forms.UUIDField(
        widget=forms.HiddenInput(attrs={"autocomplete": "off"}),
        initial=uuid.uuid4,
        error_messages={"required": "Load the page again.", "invalid": "Load the page again."},
    )

    def clean_amount(self) -> int:
        """People may type the separators that we show."""
        digits = "".join(self.cleaned_data["amount"].replace(",", "").replace("µ", "").split())
        if not (digits.isascii() and digits.isdigit()):
            raise ValidationError("Give a whole number of micro-units, such as 1,000,000.")
        if not 0 < int(digits) <= settings.LARGEST_DEPOSIT:
            raise ValidationError(f"Give an amount between 1 and {settings.LARGEST_DEPOSIT:,}.")
        return int(digits)

    @property
    def operation(self) -> str:
        """Another amount is another operation, even from the same page."""
        return f"{self.cleaned_data['key']}:{self.cleaned_data['amount']}"
