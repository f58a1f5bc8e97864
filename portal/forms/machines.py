"""What a machine offers."""

from __future__ import annotations

from django import forms
from django.core.validators import RegexValidator

from chainfaas.models.functions import RATE
from chainfaas.models.users import NAME
from portal.forms.form import Form
from portal.forms.people import NAME_RULE


class OfferForm(Form):
    name = forms.CharField(
        label="Name",
        max_length=40,
        validators=[RegexValidator(NAME, NAME_RULE)],
        help_text=NAME_RULE,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    rate = forms.IntegerField(
        label="Rate, µ",
        min_value=RATE[0],
        max_value=RATE[1],
        help_text="What you take per 100 ms at 1,024 MiB. Jobs under way keep the rate they were given at.",
    )
