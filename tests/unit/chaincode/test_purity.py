"""The contracts give the same answer on every peer: checked on their source, module by module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import chaincode

HOME = Path(chaincode.__file__).parent
PURE = [
    *sorted((HOME / "contracts").glob("*.py")),
    HOME / "pricing.py",
    HOME / "receipt.py",
    HOME / "stub.py",
]

ALLOWED = {
    *(
        "__future__",
        "base64",
        "binascii",
        "collections.abc",
        "dataclasses",
        "functools",
        "json",
        "re",
        "typing",
    ),
    "cryptography.hazmat.primitives.asymmetric",
}
"""Modules whose answers follow from their arguments."""

FORBIDDEN_CALLS = {"float", "set", "id", "hash", "open", "input", "print", "eval", "exec", "round"}


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def imported(path: Path) -> set[str]:
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
class TestPurity:
    def test_nothing_is_imported_that_knows_more_than_its_arguments(self, path: Path) -> None:
        foreign = {name for name in imported(path) if not name.startswith("chaincode")}

        assert foreign <= ALLOWED

    def test_ledgers_and_clients_are_not_known(self, path: Path) -> None:
        assert not {
            name for name in imported(path) if name.startswith(("chaincode.ledgers", "chaincode.client"))
        }

    def test_there_are_no_floats(self, path: Path) -> None:
        for node in nodes(path):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
            assert not isinstance(node, ast.Div)

    def test_there_are_no_sets_whose_order_could_show(self, path: Path) -> None:
        assert not [node for node in nodes(path) if isinstance(node, ast.Set | ast.SetComp)]

    def test_there_is_no_call_that_differs_from_peer_to_peer(self, path: Path) -> None:
        called = {
            node.func.id
            for node in nodes(path)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }

        assert not called & FORBIDDEN_CALLS


def test_modules_that_the_contracts_stand_on_keep_no_clock() -> None:
    for name in ("canonical.py", "certificates.py", "errors.py", "identity.py", "signatures.py"):
        assert not imported(HOME / name) & {"os", "time", "random", "secrets", "sqlite3"}
