"""Addresses under /api/v1/."""

from django.urls import path

from chainfaas.api import (
    accounts,
    functions,
    invoke,
    jobs,
    ledger,
    me,
    names,  # noqa: F401 - the addresses' converters
    providers,
    register,
    schema,
    tokens,
)

urlpatterns = [
    path("register", register.Register.as_view()),
    path("tokens", tokens.Tokens.as_view()),
    path("tokens/<uuid:id>", tokens.OneToken.as_view()),
    path("me", me.Me.as_view()),
    path("deposits", accounts.Deposits.as_view()),
    path("withdrawals", accounts.Withdrawals.as_view()),
    path("functions", functions.Functions.as_view()),
    path("functions/<name:owner>/<name:name>", functions.OneFunction.as_view()),
    path("functions/<name:owner>/<name:name>/start", functions.StartFunction.as_view()),
    path("functions/<name:owner>/<name:name>/stop", functions.StopFunction.as_view()),
    path("functions/<name:owner>/<name:name>/invoke", invoke.Invoke.as_view()),
    path("jobs", jobs.Jobs.as_view()),
    path("jobs/<uuid:id>", jobs.OneJob.as_view()),
    path("jobs/<uuid:id>/result", jobs.Result.as_view()),
    path("jobs/<uuid:id>/logs", jobs.Logs.as_view()),
    path("providers", providers.Providers.as_view()),
    path("providers/<machine:id>", providers.Provider.as_view()),
    path("providers/<machine:id>/pause", providers.Pause.as_view()),
    path("providers/<machine:id>/resume", providers.Resume.as_view()),
    path("ledger/jobs/<uuid:id>", ledger.JobRecord.as_view()),
    path("ledger/jobs/<uuid:id>/history", ledger.JobHistory.as_view()),
    path("ledger/accounts/<name:username>", ledger.Account.as_view()),
    path("ledger/accounts/<name:username>/history", ledger.AccountHistory.as_view()),
    path("ledger/blocks", ledger.Blocks.as_view()),
    path("ledger/blocks/<int:number>", ledger.OneBlock.as_view()),
    path("ledger/verify", ledger.Verify.as_view()),
    path("openapi.json", schema.document),
]
