"""Settings of the controller. Every one has a default that works on one machine with nothing installed.

Each seam is an URL (docs/adr/0003-a-seam-is-an-url.md). A secret may be given as NAME or as NAME_FILE.
"""

import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from tasks.environment import Environment

env = Environment()  # type: ignore[no-untyped-call]

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(env.str("CHAINFAAS_DATA", default=str(ROOT / ".data"))).absolute()
"""What must survive a restart on the embedded default: database, ledger, keys."""


def _secret_key() -> str:
    """The key that signs sessions: made on first use, then kept."""
    path = DATA / "secret_key"
    DATA.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=DATA) as file:  # mode 0600
            file.write(secrets.token_urlsafe(50))
            file.flush()
            with suppress(FileExistsError):
                path.hardlink_to(file.name)  # whole or not at all; of several processes the first one's
    if not (key := path.read_text()):
        raise ImproperlyConfigured(f"{path} is empty: remove it, and a new one is made")
    return key


# --- the seams ---------------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA / 'chainfaas.db'}")}
BROKER_URL = env.str("BROKER_URL", default="memory://")
LEDGER_URL = env.str("LEDGER_URL", default=f"embedded://{DATA / 'ledger.db'}")
WAKE_URL = env.str("WAKE_URL", default="memory://")
IDENTITY_URL = env.str("IDENTITY_URL", default=f"embedded://{DATA / 'identity'}")

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["ENGINE"] = "chainfaas.sqlite"  # the same, with writers in line
    DATABASES["default"]["OPTIONS"] = {
        # A deferred transaction that turns into a write fails at once when another wrote meanwhile.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000;",
    }
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["TEST"] = {"NAME": str(DATA / "test.db")}

# --- ChainFaaS ---------------------------------------------------------------------------------------------

WELCOME_CREDIT = env.int("CHAINFAAS_WELCOME_CREDIT", default=10_000_000)
"""What a new account starts with, in micro-units."""
TEST_MONEY = env.bool("CHAINFAAS_TEST_MONEY", default=True)
"""Whether users may deposit and withdraw by themselves: the currency is play money."""
LARGEST_DEPOSIT = 1_000_000_000_000
PLACE_WAIT_S = env.float("CHAINFAAS_PLACE_WAIT_S", default=2.0)
"""How long a call that waits for its answer also waits for a place on a machine."""
LONGEST_WAIT_S = 960
GRACE_S = env.float("CHAINFAAS_GRACE_S", default=60.0)
"""How long a machine may be gone before its jobs go to another."""
PULL_ALLOWANCE_S = env.float("CHAINFAAS_PULL_ALLOWANCE_S", default=120.0)
"""On top of a function's own time limit, before an attempt counts as lost."""
RECEIPT_WAIT_S = env.float("CHAINFAAS_RECEIPT_WAIT_S", default=600.0)
"""How long a confirmed job without the machine's time keeps its hold."""
SETTLE_AFTER_S = env.float("CHAINFAAS_SETTLE_AFTER_S", default=60.0)
"""How long the machines that this process hosts wait for their receipts to be on the ledger."""
SWEEP_EVERY_S = env.float("CHAINFAAS_SWEEP_EVERY_S", default=2.0)
STALE_S = env.float("CHAINFAAS_STALE_S", default=5.0)
"""A step that took longer than this is taken up again by the sweeper."""
ATTEMPTS = 3
WAITING_JOBS = env.int("CHAINFAAS_WAITING_JOBS", default=200)
"""Asynchronous jobs that no machine has yet, per developer: they hold no money."""
KEEP_OUTPUTS_S = env.float("CHAINFAAS_KEEP_OUTPUTS_S", default=7 * 24 * 3600.0)
"""How long a job's result and log can be fetched. The job itself stays."""
PLACE_LIFETIME_S = 24 * 3600
"""An asynchronous job that found no machine for so long is given up."""
IDEMPOTENCY_S = 24 * 3600
BATCH_WAIT_MS = env.float("CHAINFAAS_BATCH_WAIT_MS", default=2.0)
"""How long the first of several ledger calls waits for others to share its transaction."""
BATCH_SIZE = env.int("CHAINFAAS_BATCH_SIZE", default=100)
POLICY = env.str("CHAINFAAS_POLICY", default="random")
"""Which machine gets a job: random, least_loaded or cheapest."""
PUBLIC_CALLS_PER_MINUTE = env.int("CHAINFAAS_PUBLIC_CALLS_PER_MINUTE", default=60)
"""Calls without a token, per address and function."""
ALL_PUBLIC_CALLS_PER_MINUTE = env.int("CHAINFAAS_ALL_PUBLIC_CALLS_PER_MINUTE", default=300)
"""Calls without a token, per address."""
OPEN_READS_PER_MINUTE = env.int("CHAINFAAS_OPEN_READS_PER_MINUTE", default=300)
"""Reads of the ledger's blocks without a token, per address."""
FAILED_SIGN_INS_PER_MINUTE = env.int("CHAINFAAS_FAILED_SIGN_INS_PER_MINUTE", default=10)
"""Wrong passwords for one name from one address, before it has to wait."""
PASSWORDS_PER_MINUTE = env.int("CHAINFAAS_PASSWORDS_PER_MINUTE", default=30)
"""Passwords from one address, right or wrong: each costs half a second of a processor."""
REGISTRATIONS_PER_HOUR = env.int("CHAINFAAS_REGISTRATIONS_PER_HOUR", default=60)
"""New accounts from one address."""
TRUSTED_PROXIES = env.int("CHAINFAAS_TRUSTED_PROXIES", default=0)
"""How many proxies of ours stand before us: so many entries of X-Forwarded-For are believed."""
METRICS_FROM = env.list("CHAINFAAS_METRICS_FROM", default=["127.0.0.0/8", "::1/128"])
"""Networks that may read /metrics; others are told that there is no such page."""
API_THREADS = env.int("CHAINFAAS_API_THREADS", default=32)
"""Threads, each with a database connection, that do the API's blocking steps. A call that waits has none."""

# --- Django ------------------------------------------------------------------------------------------------

DEBUG = False
SECRET_KEY = env.str("CHAINFAAS_SECRET_KEY", default="") or _secret_key()
ALLOWED_HOSTS = env.list("CHAINFAAS_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS = env.list("CHAINFAAS_ORIGINS", default=[])
ROOT_URLCONF = "chainfaas.urls"
ASGI_APPLICATION = "chainfaas.asgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "csp",
    "chainfaas.apps.ChainFaaS",
    "portal",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "chainfaas.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "/signin"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "base-uri": ["'self'"],
    }
}
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("CHAINFAAS_HTTPS", default=False)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Rate limits only; the stack puts Redis here, so that all web processes share them. A full cache forgets, and
# with it how often somebody called: it has room for more counters than anybody can make within two minutes.
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://?max_entries=100000")}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["chainfaas.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "chainfaas.api.problems.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ChainFaaS",
    "DESCRIPTION": "Serverless functions on other people's computers, paid through a ledger.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
}
