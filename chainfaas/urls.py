"""Every address: the API, the pages, and what operators ask."""

from django.urls import include, path

from chainfaas.api import health, metrics, problems

urlpatterns = [
    path("api/v1/", include("chainfaas.api.urls")),
    path("problems/<slug:slug>", problems.explain),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", metrics.page),
    path("", include("portal.urls")),
]

handler400 = problems.bad_request
handler404 = problems.not_found
handler500 = problems.server_error
