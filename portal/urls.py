"""The pages' addresses. No slash at the end, as in the API."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from portal.views import functions, home, jobs, ledger, machines, money, people, problems, tokens

app_name = "portal"
urlpatterns = [
    path("", home.home, name="home"),
    path("register", people.register, name="register"),
    path("signin", people.SignIn.as_view(), name="signin"),
    path("signout", LogoutView.as_view(), name="signout"),
    path("account", people.account, name="account"),
    path("account/password", people.Password.as_view(), name="password"),
    path("tokens", tokens.tokens, name="tokens"),
    path("tokens/<uuid:id>/revoke", tokens.revoke, name="token-revoke"),
    path("functions", functions.index, name="functions"),
    path("functions/new", functions.new, name="function-new"),
    path("functions/<str:owner>/<str:name>", functions.show, name="function"),
    path("functions/<str:owner>/<str:name>/edit", functions.edit, name="function-edit"),
    path("functions/<str:owner>/<str:name>/start", functions.start, name="function-start"),
    path("functions/<str:owner>/<str:name>/stop", functions.stop, name="function-stop"),
    path("functions/<str:owner>/<str:name>/delete", functions.delete, name="function-delete"),
    path("functions/<str:owner>/<str:name>/try", functions.try_it, name="function-try"),
    path("jobs", jobs.index, name="jobs"),
    path("jobs/<uuid:id>", jobs.show, name="job"),
    path("jobs/<uuid:id>/cancel", jobs.cancel, name="job-cancel"),
    path("jobs/<uuid:id>/result", jobs.result, name="job-result"),
    path("jobs/<uuid:id>/log", jobs.logs, name="job-log"),
    path("machines", machines.index, name="machines"),
    path("machines/enrol", machines.enrol, name="machine-enrol"),
    path("machines/<str:id>", machines.show, name="machine"),
    path("machines/<str:id>/edit", machines.edit, name="machine-edit"),
    path("machines/<str:id>/pause", machines.pause, name="machine-pause"),
    path("machines/<str:id>/resume", machines.resume, name="machine-resume"),
    path("machines/<str:id>/leave", machines.leave, name="machine-leave"),
    path("balance", money.balance, name="balance"),
    path("balance/deposit", money.deposit, name="deposit"),
    path("balance/withdraw", money.withdraw, name="withdraw"),
    path("ledger", ledger.blocks, name="ledger"),
    path("ledger/verify", ledger.verify, name="verify"),
    path("ledger/blocks/<int:number>", ledger.block, name="block"),
    path("ledger/transactions/<str:tx_id>", ledger.transaction, name="transaction"),
    path("ledger/jobs/<uuid:id>", ledger.job, name="ledger-job"),
    path("problems", problems.index, name="problems"),
]
