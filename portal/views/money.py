"""A person's balance, its history, and test money in and out."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from chainfaas import accounts
from chainfaas.errors import BadInput, NoFunds
from chainfaas.ledger import account_index
from chainfaas.ledger.accounts import Balance
from chainfaas.models import User
from portal.errors import Visit, members
from portal.forms import AmountForm
from portal.pages import cut
from portal.templatetags.wording import money

WHY = {
    "deposit": "Deposit",
    "withdraw": "Withdrawal",
    "create": "Held for jobs",
    "finish": "Jobs paid, the rest of their holds freed",
    "settle": "Job paid, the rest of its hold freed",
    "release": "Hold freed",
    "fold": "Credits summed up",
}
"""Transactions in a person's words."""

EARNED = "Earned by machines"


@members
def balance(request: Visit) -> HttpResponse:
    return _shown(request, AmountForm(auto_id="deposit_%s"), AmountForm(auto_id="withdraw_%s"))


@require_POST
@members
def deposit(request: Visit) -> HttpResponse:
    form = AmountForm(request.POST, auto_id="deposit_%s")
    if _moved(request, form, accounts.deposit, "deposited"):
        return redirect("portal:balance")
    return _shown(request, form, AmountForm(auto_id="withdraw_%s"))


@require_POST
@members
def withdraw(request: Visit) -> HttpResponse:
    form = AmountForm(request.POST, auto_id="withdraw_%s")
    if _moved(request, form, accounts.withdraw, "withdrawn"):
        return redirect("portal:balance")
    return _shown(request, AmountForm(auto_id="deposit_%s"), form)


def _moved(request: Visit, form: AmountForm, do: Callable[[User, int, str], Balance], done: str) -> bool:
    if not form.is_valid():
        return False
    try:
        do(request.user, form.cleaned_data["amount"], form.operation)
    except (NoFunds, BadInput) as error:
        form.refused(error, "amount")
        return False
    messages.success(request, f"{money(form.cleaned_data['amount'])} {done}.")
    return True


def _shown(request: Visit, deposit: AmountForm, withdraw: AmountForm) -> HttpResponse:
    changes = account_index.history(str(request.user.id)).order_by("-id")
    shown, older = cut(request, changes, lambda before: changes.filter(id__lt=int(before)))
    context = {
        "balance": accounts.balance(request.user),
        "changes": [{"row": row, "words": _words(row.why, row.change)} for row in shown],
        "older": older,
        "deposit": deposit,
        "withdraw": withdraw,
        "test_money": settings.TEST_MONEY,
    }
    wrong = deposit.errors or withdraw.errors
    return render(request, "portal/money/balance.html", context, status=400 if wrong else 200)


def _words(why: str, change: int) -> str:
    if why in ("finish", "settle") and change > 0:
        return EARNED
    return WHY.get(why, why.replace("_", " ").capitalize())
