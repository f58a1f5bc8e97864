"""Pages as a person reads them."""

from __future__ import annotations

import html
import re
from typing import Any

from django.test import Client

from chainfaas.jobs import lifecycle
from chainfaas.models import Job
from tests.cast import Person, until


class Visitor:
    """A browser without JavaScript, signed in or not."""

    def __init__(self, person: Person | None = None, *, csrf: bool = False) -> None:
        self.client = Client(enforce_csrf_checks=csrf)
        self.person = person
        if person is not None:
            self.client.force_login(person.user)

    def get(self, path: str, **headers: str) -> Page:
        return Page(self.client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()}))

    def post(self, path: str, follow: bool = True, **fields: Any) -> Page:
        return Page(self.client.post(path, fields, follow=follow))

    def call(self, function: str, text: str = "", **fields: Any) -> Job:
        """Try a function; the job, as its page's address has it."""
        page = self.post(f"/functions/{function}/try", follow=False, text=text, **fields)
        assert page.status == 302, page.text
        return Job.objects.get(id=page.location.rpartition("/")[2])

    def called(self, function: str, text: str = "") -> Job:
        """Try a function and have a machine run it to the end; a worker would place it."""
        job = self.call(function, text)
        lifecycle.place(job)
        until(lambda: Job.objects.get(id=job.id).settled)
        return Job.objects.get(id=job.id)


class Page:
    """What came back."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.status: int = response.status_code
        self.location: str = response.headers.get("Location", "")

    @property
    def html(self) -> str:
        return str(self.response.content.decode())

    @property
    def text(self) -> str:
        """The words, without tags, on one line."""
        words = re.sub(r"<[^>]+>", " ", re.sub(r"<(style|script|title).*?</\1>", " ", self.html, flags=re.S))
        return " ".join(html.unescape(words).replace("\u202f", " ").split())

    def wrong(self, field: str) -> str:
        """The error that stands beside a field."""
        match = re.search(rf'id="id_{field}_error">(.*?)</p>', self.html, re.S)
        return html.unescape(match[1]).strip() if match else ""

    def links(self) -> list[str]:
        return [html.unescape(link) for link in re.findall(r'href="(/[^"]*)"', self.html)]
