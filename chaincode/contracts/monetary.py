"""Who owns what. Accounts go by user id; amounts are whole micro-units.

A balance is the account's base plus its credits. Whoever is paid gets a credit under a key of its own,
written blindly, so that any number of payments to one account never conflict. A debit names the credits
that its caller knows of and folds them into the base in the same transaction; a credit named that is not
there (folded already, or never written) is skipped, so that a stale list costs nothing but the money it
does not find.

Free and held together change by deposits and withdrawals only: `hold` moves between the two, and `pay`
refuses movements that do not sum to zero.
"""

from __future__ import annotations

from typing import Any, ClassVar

from chaincode.contracts import documents, roles
from chaincode.contracts.contract import Contract
from chaincode.contracts.records import (
    CREDIT,
    Account,
    Operation,
    account_key,
    credit_key,
    operation_key,
)
from chaincode.errors import Code, ContractError
from chaincode.stub import split_composite_key


class Monetary(Contract):
    name = "monetary"
    functions: ClassVar[dict[str, type]] = {
        "deposit": documents.Transfer,
        "withdraw": documents.Transfer,
        "fold": documents.Fold,
        "balance": documents.Account,
        "totals": documents.Nothing,
        "hold": documents.Hold,
        "pay": documents.Pay,
    }

    def deposit(self, call: documents.Transfer) -> dict[str, Any]:
        return self._transfer("deposit", call, call.amount)

    def withdraw(self, call: documents.Transfer) -> dict[str, Any]:
        return self._transfer("withdraw", call, -call.amount)

    def fold(self, call: documents.Fold) -> dict[str, Any]:
        """Gather credits into the base, so that no debit has to."""
        roles.require_controller(self.stub.caller)
        account, found = self._gather(call.account, call.credits)
        self._write(call.account, account, found)
        return _base(call.account, account)

    def balance(self, call: documents.Account) -> dict[str, Any]:
        """What is free and held, and the credits that a debit may name. An account never used has nothing."""
        roles.require_reader(self.stub.caller, call.account)
        total, credits = self._base_of(call.account), []
        for key, value in self.stub.composite(CREDIT, (call.account,)):
            credit = Account.load(value)
            total = total.plus(credit.free, credit.held)
            credits.append(split_composite_key(key)[1][1])
        return {**_base(call.account, total), "credits": credits}

    def totals(self, call: documents.Nothing) -> dict[str, int]:
        """All accounts together: free + held = deposited - withdrawn, whatever happened in between."""
        roles.require_reader(self.stub.caller)
        sums = {"accounts": 0, "free": 0, "held": 0, "deposited": 0, "withdrawn": 0}
        owners: dict[str, None] = {}
        for key, value in self.stub.range("acct/", "acct0"):
            owners[key.removeprefix("acct/")] = None
            _add(sums, Account.load(value))
        for key, value in self.stub.composite(CREDIT, ()):
            owners[split_composite_key(key)[1][0]] = None
            _add(sums, Account.load(value))
        for _, value in self.stub.range("op/", "op0"):
            operation = Operation.load(value)
            sums["deposited" if operation.kind == "deposit" else "withdrawn"] += operation.amount
        return {**sums, "accounts": len(owners)}

    # For the monitoring contract alone.

    def hold(self, call: documents.Hold) -> list[bool]:
        """Set money aside, hold by hold in the order given; one that an account cannot bear is left out.

        Answers which were made. Each account is read once and written at most once.
        """
        self._require_monitoring()
        before = {
            account: self._gather(account, call.credits.get(account, ()))
            for account in dict.fromkeys(item.account for item in call.holds)
        }
        after: dict[str, Account] = {}
        made = []
        for item in call.holds:
            account = after.get(item.account, before[item.account][0])
            made.append(account.free >= item.amount)
            if made[-1]:
                after[item.account] = account.plus(-item.amount, item.amount)
        for owner, account in after.items():
            self._write(owner, account, before[owner][1])
        return made

    def pay(self, call: documents.Pay) -> None:
        """One credit per account, written without reading anything."""
        self._require_monitoring()
        sums: dict[str, Account] = {}
        for movement in call.movements:
            sums[movement.account] = sums.get(movement.account, Account()).plus(movement.free, movement.held)
        if sum(credit.free + credit.held for credit in sums.values()) != 0:
            raise ContractError(Code.BAD_ARGUMENT, "these movements would make or lose money")
        for account, credit in sums.items():
            if credit != Account():
                self.put(credit_key(account, self.stub.tx_id), credit)

    def _transfer(self, kind: str, call: documents.Transfer, amount: int) -> dict[str, Any]:
        roles.require_controller(self.stub.caller)
        self._guard(call.op, Operation(kind, call.account, call.amount))
        before, found = self._gather(call.account, call.credits)
        account = before.plus(amount, 0)
        if account.free < 0:
            raise ContractError(Code.INSUFFICIENT_FUNDS, f"{before.free} is free, {call.amount} is asked")
        self._write(call.account, account, found)
        self.stub.event(kind, {"op": call.op, "account": call.account, "amount": call.amount})
        return _base(call.account, account)

    def _guard(self, op: str, operation: Operation) -> None:
        known = self.get(Operation, operation_key(op))
        if known == operation:
            raise ContractError(Code.ALREADY_DONE, f"{op} is on the ledger")
        if known:
            raise ContractError(Code.EXISTS, f"{op} is on the ledger with other content")
        self.put(operation_key(op), operation)

    def _require_monitoring(self) -> None:
        # The callee sees the original caller's certificate, so the caller alone proves nothing here. What the
        # signed proposal names does: this code is then reached through the monitoring contract's rules only.
        if self.stub.called != "monitoring":
            raise ContractError(Code.FORBIDDEN, "only the monitoring contract may do this")

    def _base_of(self, account: str) -> Account:
        return self.get(Account, account_key(account)) or Account()

    def _gather(self, account: str, credits: tuple[str, ...]) -> tuple[Account, list[str]]:
        """The base and the named credits together, and the keys of those that are there.

        The names are distinct (documents.Credits): a transaction does not see its own deletes, so a credit
        named twice would count twice.
        """
        total, found = self._base_of(account), []
        for key in (credit_key(account, tx_id) for tx_id in credits):
            credit = self.get(Account, key)
            if credit:
                total = total.plus(credit.free, credit.held)
                found.append(key)
        return total, found

    def _write(self, account: str, base: Account, folded: list[str]) -> None:
        self.put(account_key(account), base)
        for key in folded:
            self.stub.delete(key)


def _base(account: str, base: Account) -> dict[str, Any]:
    return {"account": account, "free": base.free, "held": base.held}


def _add(sums: dict[str, int], account: Account) -> None:
    sums["free"] += account.free
    sums["held"] += account.held
