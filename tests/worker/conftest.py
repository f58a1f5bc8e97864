"""A machine of pete's, `pete0001`, and a controller that sends it tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from celery import Celery, _state
from celery.app import trace

from chaincode.identity import PROVIDERS, Identity
from tests.contracts.authority import Authority
from tests.worker.controller import Controller, make_app, make_config
from worker.provider import Provider
from worker.runtime.process import ProcessRuntime

PETE = "pete0001"
HOSTILE = Path(__file__).parent / "hostile"

StartMachine = Callable[..., Provider]


@pytest.fixture(scope="module")
def app() -> Iterator[Celery]:
    """A worker makes its app the process's own; the other tests get theirs back."""
    default, current, localized = _state.default_app, _state._tls.current_app, list(trace._localized)
    app = make_app()
    yield app
    trace.reset_worker_optimizations(app)
    trace._localized[:] = localized
    _state.default_app, _state._tls.current_app = default, current


@pytest.fixture(scope="session")
def identity() -> Identity:
    return Authority.make(PROVIDERS).enrol(PETE, chainfaas_role="machine", chainfaas_user="pete")


@pytest.fixture
def controller(app: Celery) -> Controller:
    return Controller(app)


@pytest.fixture
def start(app: Celery, controller: Controller, identity: Identity, tmp_path: Path) -> Iterator[StartMachine]:
    """`start()` gives a running machine; it is stopped after the test."""
    with ExitStack() as running:

        def start(machine: str = PETE, *, hostile: bool = False, **config: object) -> Provider:
            controller.enrol(machine)
            settings = make_config(machine, tmp_path / machine, identity, **config)
            functions = ProcessRuntime(machine, tmp_path / "scratch", functions=HOSTILE) if hostile else None
            provider = Provider(settings, app, runtime=functions)
            provider.start(10)
            running.callback(provider.stop, 0)
            return provider

        yield start


@pytest.fixture
def provider(start: StartMachine) -> Provider:
    return start()
