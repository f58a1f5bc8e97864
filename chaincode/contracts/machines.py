"""The monitoring contract's part about machines: whose they are, and which key signs their receipts."""

from __future__ import annotations

from typing import Any

from chaincode import certificates
from chaincode.contracts import documents, records, roles
from chaincode.contracts.contract import Contract
from chaincode.contracts.records import Config, Machine
from chaincode.errors import Code, ContractError
from chaincode.identity import PROVIDERS, Caller


class Machines(Contract):
    def init(self, call: documents.Init) -> dict[str, Any]:
        """Name, once, the root of machines' certificates: a contract reads no environment."""
        roles.require_controller(self.stub.caller)
        config = Config(call.providers_root)
        known = self.get(Config, records.CONFIG)
        if known == config:
            raise ContractError(Code.ALREADY_DONE, "the contract is set up so")
        if known:
            raise ContractError(Code.EXISTS, "the contract is set up with another root")
        _readable(call.providers_root)
        self.put(records.CONFIG, config)
        return {}

    def enrol_machine(self, call: documents.EnrolMachine) -> dict[str, Any]:
        """Register a machine, or its renewed certificate. Its provider stays, and revoked is for good."""
        roles.require_controller(self.stub.caller)
        self._check_certificate(call)
        key = records.machine_key(call.machine)
        known = self.get(Machine, key)
        if known and known.provider != call.provider:
            raise ContractError(Code.EXISTS, "this machine is another provider's")
        if known and known.revoked:
            raise ContractError(Code.FORBIDDEN, "this machine was revoked")
        machine = Machine(call.provider, call.certificate)
        if known == machine:
            return {"machine": call.machine, "code": Code.EXISTS}
        self.put(key, machine)
        self.stub.event("enrol_machine", {"machine": call.machine})
        return {"machine": call.machine, "code": None}

    def revoke_machine(self, call: documents.Machine) -> dict[str, Any]:
        """Its receipts and times count no more. A second time changes nothing."""
        roles.require_controller(self.stub.caller)
        known = self._machine(call.machine)
        if known.revoked:
            return {"machine": call.machine, "code": Code.ALREADY_DONE}
        self.put(records.machine_key(call.machine), Machine(known.provider, known.certificate, revoked=True))
        self.stub.event("revoke_machine", {"machine": call.machine})
        return {"machine": call.machine, "code": None}

    def machine(self, call: documents.Machine) -> dict[str, Any]:
        machine = self.get(Machine, records.machine_key(call.machine))
        roles.require_reader(self.stub.caller, machine.provider if machine else None)
        return {"machine": call.machine, **vars(machine or self._machine(call.machine))}

    def _check_certificate(self, call: documents.EnrolMachine) -> None:
        config = self.get(Config, records.CONFIG)
        if config is None:
            raise ContractError(Code.NOT_FOUND, "the contract is not set up: call init first")
        if not certificates.issued_by(call.certificate, config.providers_root):
            raise ContractError(Code.BAD_ARGUMENT, "the certificate is not of the providers' organisation")
        owner = Caller.of(PROVIDERS, call.certificate)
        if owner.role != "machine" or owner.user != call.provider:
            raise ContractError(Code.BAD_ARGUMENT, "the certificate is not of a machine of this provider")

    def _machine(self, machine: str) -> Machine:
        found = self.get(Machine, records.machine_key(machine))
        if found is None:
            raise ContractError(Code.NOT_FOUND, "there is no such machine on the ledger")
        return found

    def _provider(self, machine: str) -> str | None:
        found = self.get(Machine, records.machine_key(machine))
        return found.provider if found else None


def _readable(certificate: str) -> None:
    try:
        certificates.load(certificate)
    except ValueError as error:
        raise ContractError(Code.BAD_ARGUMENT, "the root is not a certificate on P-256") from error
