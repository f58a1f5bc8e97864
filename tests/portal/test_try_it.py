"""`/functions/<owner>/<name>/try`."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile

from chainfaas.models import Job, JobInput, State
from tests.cast import Machine, Person
from tests.portal.pages import Visitor


def test_a_call_becomes_a_job_that_a_worker_places(at_dora: Visitor) -> None:
    job = at_dora.call("dora/example", "to be\r\nor not")

    assert job.state == State.SUBMITTED
    assert bytes(job.input.body) == b"to be\nor not"
    assert job.caller == job.developer


def test_a_file_is_sent_as_it_is(at_dora: Visitor) -> None:
    body = bytes(range(256)) + b"\r\n"

    job = at_dora.call("dora/example", "ignored", file=SimpleUploadedFile("x.bin", body))

    assert bytes(job.input.body) == body


def test_empty_input_is_input(at_dora: Visitor) -> None:
    assert bytes(at_dora.call("dora/example").input.body) == b""
    job = at_dora.call("dora/example", file=SimpleUploadedFile("empty", b""))
    assert bytes(job.input.body) == b""


def test_more_than_a_mebibyte_is_refused(at_dora: Visitor) -> None:
    text = at_dora.post("/functions/dora/example/try", text="x" * (1024 * 1024 + 1))
    file = at_dora.post(
        "/functions/dora/example/try", file=SimpleUploadedFile("big", b"x" * (1024 * 1024 + 1))
    )

    assert "larger than 1 MiB" in text.wrong("text")
    assert "larger than 1 MiB" in file.wrong("file")
    assert not Job.objects.exists()
    at_dora.call("dora/example", "x" * 1024 * 1024)


def test_a_body_that_django_refuses_has_a_page(at_dora: Visitor) -> None:
    page = at_dora.post("/functions/dora/example/try", text="x" * (3 * 1024 * 1024))

    assert page.status == 400
    assert "too large" in page.text
    assert not JobInput.objects.exists()


def test_it_runs_to_a_paid_job(at_dora: Visitor, machine: Machine) -> None:
    job = at_dora.called("dora/example", "hello")

    page = at_dora.get(f"/jobs/{job.id}")
    assert "hello" in page.text
    assert "2 µ" in page.text


def test_a_budget_that_is_spent_is_told(at_eve: Visitor, dora: Person) -> None:
    dora.deploy("open", public=True, daily_budget=1)

    page = at_eve.post("/functions/dora/open/try", text="kept")

    assert "budget for today is spent" in page.text
    assert "kept" in page.html
