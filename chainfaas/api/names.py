"""Names in addresses."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class Name(StringConverter):
    """A user's, function's or machine's name."""

    regex = "[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"


class MachineId(StringConverter):
    """A machine's id."""

    regex = "[a-z0-9]{4,32}"


register_converter(Name, "name")
register_converter(MachineId, "machine")
