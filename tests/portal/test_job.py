"""`/jobs/<id>`: a job's page."""

from __future__ import annotations

import re
import uuid

import pytest

from chainfaas.errors import LedgerAway, NoFunds
from chainfaas.jobs import lifecycle
from chainfaas.models import Job, JobOutput, State
from tests.cast import Ended, Machine, Outcome, Person, until
from tests.portal.pages import Visitor

HTMX = {"HX-Request": "true"}


def test_it_shows_timeline_times_result_log_and_ledger(at_dora: Visitor, machine: Machine) -> None:
    machine.behave = lambda run: Ended(output=b'{"words": 2}', log=b"counting\n", run_ms=20)

    page = at_dora.get(f"/jobs/{at_dora.called('dora/example', 'a b').id}")

    states = ["submitted", "assigned", "recorded", "queued", "running", "succeeded", "paid"]
    timeline = page.text.partition("Timeline")[2]
    found = [timeline.index(f"{state} ") for state in states]
    assert found == sorted(found)
    for word in ("T_prc", "T_prv", "T_cmp", "T_rsp", "T_bil"):
        assert word in page.text
    assert '{"words": 2}' in page.text
    assert "counting" in page.text
    assert "pete/laptop" in page.text
    assert "Exit code 0" in page.text
    assert "Recorded, money held" in page.text
    assert "Received and paid" in page.text
    assert "Received: no → yes" in page.text
    assert "Provider: pete" in page.text
    assert "Cost: 2 µ" in page.text


def test_it_asks_for_what_is_new_until_it_is_settled(at_dora: Visitor, machine: Machine) -> None:
    job = at_dora.call("dora/example", "x")
    page = at_dora.get(f"/jobs/{job.id}")
    assert "Refresh" in page.text
    match = re.search(r'hx-get="([^"]+)"', page.html)
    assert match
    address = match[1]

    assert at_dora.get(address, **HTMX).status == 204
    lifecycle.place(job)
    until(lambda: Job.objects.get(id=job.id).settled)
    part = at_dora.get(address, **HTMX)

    assert part.status == 200
    assert "<html" not in part.html
    assert "succeeded" in part.text
    assert "hx-get" not in part.html
    assert "hx-get" not in at_dora.get(f"/jobs/{job.id}").html


def test_who_is_signed_out_meanwhile_is_led_to_sign_in(at_dora: Visitor, stranger: Visitor) -> None:
    job = at_dora.call("dora/example")

    part = stranger.get(f"/jobs/{job.id}?seen=x", **HTMX)

    assert part.response["HX-Redirect"] == "/signin"


def test_a_failed_job_says_why_and_shows_the_log(at_dora: Visitor, machine: Machine) -> None:
    machine.behave = lambda run: Ended(outcome=Outcome.EXITED, exit_code=3, log=b"no such word\n")

    page = at_dora.get(f"/jobs/{at_dora.called('dora/example').id}")

    assert "Function failed. The function ended with exit code 3." in page.text
    assert "no such word" in page.text


def test_a_job_that_no_machine_can_run_says_what_is_missing(at_dora: Visitor, dora: Person) -> None:
    dora.deploy("large", image="ghcr.io/acme/large:1", memory_mb=8192)

    page = at_dora.get(f"/jobs/{at_dora.call('dora/large').id}")

    assert "No machine can run it now: it needs 8192 MiB" in page.text


def test_a_job_without_funds_says_where_to_deposit(at_dora: Visitor) -> None:
    job = at_dora.call("dora/example")
    lifecycle.refuse(job, NoFunds())

    page = at_dora.get(f"/jobs/{job.id}")

    assert "cannot cover the hold" in page.text
    assert "/balance" in page.links()
    assert "no money was held" in page.text


def test_cancelling_asks_first(at_dora: Visitor) -> None:
    job = at_dora.call("dora/example")
    assert "Cancel this job?" in at_dora.get(f"/jobs/{job.id}/cancel").text
    assert Job.objects.get().state == State.SUBMITTED

    page = at_dora.post(f"/jobs/{job.id}/cancel")

    assert "is being cancelled" in page.text
    assert "cancelled" in page.text
    assert Job.objects.get().state == State.CANCELLED
    assert "had ended already" in at_dora.post(f"/jobs/{job.id}/cancel").text


def test_result_and_log_are_downloads_and_never_pages(at_dora: Visitor, machine: Machine) -> None:
    evil = b"<script>alert(1)</script>"
    machine.behave = lambda run: Ended(output=evil, log=evil)
    job = at_dora.called("dora/example")

    for end in ("result", "log"):
        response = at_dora.get(f"/jobs/{job.id}/{end}").response
        assert response.content == evil
        assert response["Content-Disposition"].startswith("attachment")
        assert "html" not in response["Content-Type"]
        assert response["X-Content-Type-Options"] == "nosniff"


def test_what_a_function_writes_is_only_text(at_dora: Visitor, machine: Machine) -> None:
    evil = b"</pre><script>alert(1)</script><img src=x onerror=alert(1)>"
    machine.behave = lambda run: Ended(output=evil, log=evil)

    page = at_dora.get(f"/jobs/{at_dora.called('dora/example').id}")

    assert "<script>alert" not in page.html
    assert "<img src=x" not in page.html
    assert "&lt;script&gt;alert(1)" in page.html


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (b"", "wrote nothing to stdout"),
        (b"\xff\xfe\x00", "3 bytes that are no text"),
        (b"nul\0", "4 bytes that are no text"),
        ("µ".encode() * 20_000, "this is the beginning"),
        (b"[" * 3000, "[[["),
        ("\ud800".encode("utf-8", "surrogatepass"), "no text"),
    ],
)
def test_any_output_can_be_shown(at_dora: Visitor, machine: Machine, output: bytes, said: str) -> None:
    machine.behave = lambda run: Ended(output=output)

    assert said in at_dora.get(f"/jobs/{at_dora.called('dora/example').id}").text


def test_a_log_that_is_no_text_is_shown_as_far_as_it_goes(at_dora: Visitor, machine: Machine) -> None:
    machine.behave = lambda run: Ended(log=b"\xff" + b"x" * 20_000 + b" the end")

    page = at_dora.get(f"/jobs/{at_dora.called('dora/example').id}")

    assert "the end" in page.text
    assert "this is the end" in page.text


def test_before_the_end_there_is_nothing_to_download(at_dora: Visitor) -> None:
    job = at_dora.call("dora/example")

    assert at_dora.get(f"/jobs/{job.id}/result").status == 404


def test_while_the_ledger_is_away_the_rest_is_shown(
    at_dora: Visitor, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = at_dora.called("dora/example", "still here")

    def away(_: str) -> None:
        raise LedgerAway

    monkeypatch.setattr("chainfaas.ledger.jobs.history", away)
    page = at_dora.get(f"/jobs/{job.id}")

    assert page.status == 200
    assert "still here" in page.text
    assert "The ledger does not answer" in page.text


def test_a_strangers_job_is_not_found(at_eve: Visitor, at_dora: Visitor) -> None:
    job = at_dora.call("dora/example")

    for end in ("", "/cancel", "/result", "/log"):
        page = at_eve.get(f"/jobs/{job.id}{end}")
        assert page.status == 404
        assert "dora" not in page.text
    assert at_eve.post(f"/jobs/{job.id}/cancel").status == 404
    assert at_eve.get(f"/jobs/{uuid.uuid4()}").status == 404
    assert Job.objects.get().state == State.SUBMITTED


def test_the_caller_of_a_public_function_sees_the_result_and_not_the_log(
    at_eve: Visitor, at_dora: Visitor, dora: Person, machine: Machine
) -> None:
    dora.deploy("open", public=True, daily_budget=1_000_000)
    machine.behave = lambda run: Ended(output=b"the answer", log=b"a secret")
    job = at_eve.called("dora/open")

    page = at_eve.get(f"/jobs/{job.id}")

    assert "the answer" in page.text
    assert "a secret" not in page.text
    assert at_eve.get(f"/jobs/{job.id}/log").status == 404
    owners = at_dora.get(f"/jobs/{job.id}")
    assert "a secret" in owners.text
    assert "by eve" in owners.text


def test_a_result_that_is_not_kept_any_more_says_so(at_dora: Visitor, machine: Machine) -> None:
    job = at_dora.called("dora/example")
    JobOutput.objects.all().delete()

    page = at_dora.get(f"/jobs/{job.id}")

    assert page.text.count("kept for 7 days") == 2
    assert at_dora.get(f"/jobs/{job.id}/result").status == 404
    assert at_dora.get(f"/jobs/{job.id}/log").status == 404
