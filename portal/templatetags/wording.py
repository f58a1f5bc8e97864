"""How amounts, times and hashes are written on pages."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.forms import BoundField
from django.forms.widgets import CheckboxInput, CheckboxSelectMultiple
from django.utils.html import format_html

register = template.Library()

NARROW = "\u202f"
NOTHING = "\u2013"
MINUS = "\u2212"


@register.filter
def money(amount: int | None) -> str:
    """12,345 µ"""
    return NOTHING if amount is None else f"{_signed(amount)}{NARROW}µ"


@register.filter
def change(amount: int) -> str:
    """+12,345 µ"""
    return f"{'+' if amount > 0 else ''}{_signed(amount)}{NARROW}µ"


@register.filter
def ms(value: float | None) -> str:
    """12.3 ms"""
    if value is None:
        return NOTHING
    return f"{value:,.1f}{NARROW}ms" if value < 100 and value % 1 else f"{value:,.0f}{NARROW}ms"


@register.filter
def when(moment: datetime | str | None, form: str = "") -> str:
    """A moment in UTC, readable by people and programs. `"precise"` has milliseconds."""
    if not moment:
        return NOTHING
    moment = (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).astimezone(UTC)
    clock = f"{moment:%H:%M:%S}"
    if form == "precise":
        clock += f".{moment.microsecond // 1000:03}"
    day = "" if form == "precise" else f"{moment:%d %b %Y} ".lstrip("0")
    return format_html(
        '<time datetime="{}" title="{} UTC">{}{}</time>',
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        f"{moment:%Y-%m-%d %H:%M:%S}",
        day,
        clock,
    )


@register.filter
def short(text: object, letters: int = 10) -> str:
    """The beginning of a hash or an id."""
    text = str(text)
    return text if len(text) <= letters else f"{text[:letters]}…"


@register.filter
def words(state: object) -> str:
    """timed_out: timed out"""
    return str(state).replace("_", " ").replace("-", " ")


@register.filter
def kind(field: BoundField) -> str:
    """How a field is laid out: a tick before its label, a group of ticks, or a box under its label."""
    widget = field.field.widget
    if isinstance(widget, CheckboxSelectMultiple):
        return "group"
    return "tick" if isinstance(widget, CheckboxInput) else "box"


def _signed(amount: int) -> str:
    return f"{MINUS if amount < 0 else ''}{abs(amount):,}"
