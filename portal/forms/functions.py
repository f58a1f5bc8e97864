"""Adding and changing functions, and trying them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.http import QueryDict

from chainfaas.models import Function
from chainfaas.models.functions import CPUS, IMAGE, MEMORY_MB, RATE, TIMEOUT_S
from chainfaas.models.users import NAME
from portal.forms.form import Form
from portal.forms.people import NAME_RULE
from tasks import limits


class FunctionForm(Form):
    """`rename=False`: the name is settled, since jobs and addresses have it."""

    name = forms.CharField(
        label="Name",
        max_length=40,
        validators=[RegexValidator(NAME, NAME_RULE)],
        help_text=NAME_RULE,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    image = forms.CharField(
        label="Container image",
        max_length=255,
        validators=[RegexValidator(IMAGE, "This is no image reference: registry/path:tag or path@sha256:….")],
        help_text="Gets the request body on stdin; what it writes to stdout is the result. "
        "Bundled: chainfaas/wordcount, chainfaas/echo, chainfaas/sleep.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "placeholder": "chainfaas/wordcount"}
        ),
    )
    memory_mb = forms.IntegerField(
        label="Memory, MiB", min_value=MEMORY_MB[0], max_value=MEMORY_MB[1], initial=128
    )
    cpus = forms.FloatField(label="CPUs", min_value=CPUS[0], max_value=CPUS[1], initial=1, step_size=0.1)
    timeout_s = forms.IntegerField(
        label="Time limit, seconds", min_value=TIMEOUT_S[0], max_value=TIMEOUT_S[1], initial=30
    )
    max_rate = forms.IntegerField(
        label="Highest rate, µ",
        min_value=RATE[0],
        max_value=RATE[1],
        initial=64,
        help_text="Per 100 ms at 1,024 MiB. Dearer machines do not get its jobs.",
    )
    env = forms.CharField(
        label="Environment",
        required=False,
        help_text="One NAME=value a line.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "code"}),
    )
    network = forms.BooleanField(
        label="Needs the network",
        required=False,
        help_text="Only machines whose provider allows it can then run it.",
    )
    public = forms.BooleanField(
        label="Public",
        required=False,
        help_text="Anybody may call it without a token. You pay, up to the daily budget.",
    )
    daily_budget = forms.IntegerField(
        label="Daily budget, µ",
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        help_text="The most that calls by others may cost in a UTC day. A public function needs it.",
    )

    def __init__(self, *args: Any, rename: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not rename:
            del self.fields["name"]

    @classmethod
    def of(cls, function: Function, changes: QueryDict | None) -> FunctionForm:
        """The form as the function stands, or as somebody wants to change it."""
        initial = {name: getattr(function, name) for name in cls.base_fields}
        initial["cpus"] = f"{function.cpus:g}"
        initial["env"] = "\n".join(f"{name}={value}" for name, value in function.env.items())
        return cls(changes, initial=initial, rename=False)

    def clean_env(self) -> dict[str, str]:
        env = {}
        for line in self.cleaned_data["env"].splitlines():
            name, equals, value = line.partition("=")
            if not line.strip():
                continue
            if not equals or not name.strip():
                raise ValidationError(f"“{line[:40]}” is not of the form NAME=value.")
            env[name.strip()] = value
        return env

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if (
            cleaned.get("public")
            and cleaned.get("daily_budget") is None
            and "daily_budget" not in self.errors
        ):
            self.add_error(
                "daily_budget", "A public function needs a budget: you pay for the calls of others."
            )
        return cleaned


class TryItForm(Form):
    text = forms.CharField(
        label="Input",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5, "class": "code", "placeholder": "to be or not to be"}),
    )
    file = forms.FileField(
        label="Or a file",
        required=False,
        allow_empty_file=True,
        help_text="Sent as it is, in place of the text. At most 1 MiB.",
    )

    def clean_text(self) -> bytes:
        # Browsers send a textarea's line ends as CR LF; nobody who pressed Return meant that.
        body: bytes = self.cleaned_data["text"].replace("\r\n", "\n").encode("utf-8", "surrogatepass")
        if len(body) > limits.BODY:
            raise ValidationError("The input is larger than 1 MiB.")
        return body

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file is not None and file.size > limits.BODY:
            raise ValidationError("The file is larger than 1 MiB.")
        return file

    def body(self) -> bytes:
        """What the function gets on stdin."""
        file = self.cleaned_data["file"]
        body: bytes = file.read() if file is not None else self.cleaned_data["text"]
        return body
