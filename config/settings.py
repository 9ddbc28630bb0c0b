"""Settings of the platform. Everything that differs between machines comes from the environment (see README)."""

import os
from datetime import date, timedelta
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from psycopg import IsolationLevel

from config import logs
from config.keys import load_keys

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("CPE_DATA_DIR") or BASE_DIR / ".data")
TESTING = os.environ.get("CPE_TESTING") == "1"
HTTPS = os.environ.get("CPE_HTTPS") == "1"
DEBUG = os.environ.get("CPE_DEBUG") == "1"

# --- secrets -------------------------------------------------------------------------------------
_keys = load_keys(DATA_DIR)
SECRET_KEY = os.environ.get("SECRET_KEY") or _keys["secret_key"]
SECRET_KEY_FALLBACKS = _keys.get("secret_key_fallbacks", [])  # earlier ones, while what they signed is valid
FIELD_KEYS = _keys["field_keys"]
FIELD_KEY_CURRENT = _keys["field_key_current"]
INDEX_KEY, INDEX_SUITE = _keys["index_key"], _keys["index_suite"]
INDEX_LAYERS, INDEX_CURRENT = _keys["index_layers"], _keys["index_current"]
# intl (AES, SHA-256) or gm (SM4, SM3): what new seals are made with. `manage.py rotate_keys` brings the old ones along.
CRYPTO_SUITE = os.environ.get("CPE_CRYPTO_SUITE", "intl")
if CRYPTO_SUITE not in ("intl", "gm"):
    raise ImproperlyConfigured("CPE_CRYPTO_SUITE is intl or gm")
# Certificates are signed with the one and checked with all of the others (credits/paper/signing.py).
SIGNING_KEY = _keys["signing_key"]  # None where the keys' file is read-only and has none
VERIFYING_KEYS = _keys["verifying_keys"]

# --- the platform's own words and dates: data, not code (architecture.md, decision 18) ------------
SITE = {
    "name": "专业技术人员继续教育公共服务平台",
    "operator": os.environ.get("CPE_OPERATOR", "省人力资源和社会保障厅"),
    "phone": os.environ.get("CPE_PHONE", "0531-00000000"),
    "hours": os.environ.get("CPE_PHONE_HOURS", "工作日 8:30–17:30"),
    "email": os.environ.get("CPE_EMAIL", "support@example.org"),
    # Where the platform is reached from outside: links in mails begin with it, without it they are left out.
    "url": os.environ.get("CPE_URL", "").rstrip("/"),
}
# FAQ 7 (F-14, F-15, F-18): titles awarded by evaluation on or after this day count from the day the
# evaluation was passed, earlier ones from the day of publication.
TITLE_DATE_PIVOT = date.fromisoformat(os.environ.get("CPE_TITLE_DATE_PIVOT", "2021-05-01"))
# 承诺审核时限, in calendar days: what waits longer at one organisation counts as overdue on the bureaus' home page;
# and after how many days without a decision a unit is listed there as one that nobody looks after (托底管理).
PROMISED_DAYS = int(os.environ.get("CPE_PROMISED_DAYS", "10"))
UNATTENDED_DAYS = int(os.environ.get("CPE_UNATTENDED_DAYS", "30"))
# The reform of 2021 starts the 90/30/60 rule (F-95); hours of earlier years are imported, not declared.
FIRST_DECLARABLE_YEAR = 2021

# --- Django --------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "procrastinate.contrib.django",  # first: the apps below bring its jobs
    "config",
    "accounts",
    "orgs",
    "workflow",
    "registration",
    "transfers",
    "credits",
    "desk",
    "crispy_forms",
    "crispy_bootstrap5",
    "phonenumber_field",
    "simple_history",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
]
MIDDLEWARE = [
    "config.logs.RequestIdMiddleware",
    "config.metrics.CountRequestsMiddleware",
    "config.health.MonitorMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "accounts.replica.ReplicaMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.sessions.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.sessions.LimitsMiddleware",
    "orgs.actor.ActorMiddleware",
    "accounts.second_factor.SecondFactorMiddleware",
    "accounts.kept.KeepPostMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "config.errors.NoNulMiddleware",  # last: its page is one of ours, with menu and name
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ALLOWED_HOSTS = os.environ.get("CPE_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("CPE_TRUSTED_ORIGINS", "").split(",") if o]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.page",
            ],
        },
    }
]
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
# Django ships its widgets in both: fields with long lists of choices cost half of what they do in its own templates.
FORM_RENDERER = "django.forms.renderers.Jinja2"

# --- database ------------------------------------------------------------------------------------
# manage.py sets DATABASE_URL to the embedded server when it is not given.
DATABASES = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL", "postgres:///unset"), conn_max_age=600, conn_health_checks=True
    )
}
DATABASES["default"].setdefault("OPTIONS", {})
if not TESTING:
    DATABASES["default"]["OPTIONS"].setdefault(
        "options",
        "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000",
    )
# The worker (manage.py worker) waits for NOTIFY, which PgBouncer in transaction mode never delivers: then
# DATABASE_WORKER_URL names the server itself. Only the queue uses it; the jobs' own work goes the common way.
if os.environ.get("DATABASE_WORKER_URL"):
    DATABASES["worker"] = DATABASES["default"] | dj_database_url.parse(os.environ["DATABASE_WORKER_URL"])
    # Nor does it keep a cursor between transactions: what is read in parts outside of one is read whole.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
# A streaming replica for dashboards, statistics and exports (accounts/replica.py): nothing is decided on its data.
if os.environ.get("DATABASE_REPLICA_URL"):
    DATABASES["replica"] = dj_database_url.parse(
        os.environ["DATABASE_REPLICA_URL"], conn_max_age=600, conn_health_checks=True
    )
    DATABASES["replica"]["OPTIONS"] = {
        "isolation_level": IsolationLevel.REPEATABLE_READ,  # the figures of one page are of one moment
        "connect_timeout": 2,
        "tcp_user_timeout": 5000,  # a machine that is gone without a word
        "options": "-c default_transaction_read_only=on -c statement_timeout=30000 -c lock_timeout=2000",
        **DATABASES["replica"].get("OPTIONS", {}),
    }
    DATABASES["replica"]["TEST"] = {"MIRROR": "default"}
DATABASE_ROUTERS = ["accounts.replica.Router"]
# Seconds: from which age of the replica's data a page says so; how long it is left alone after a failure.
REPLICA_TELL_AFTER = float(os.environ.get("CPE_REPLICA_TELL_AFTER", "60"))
REPLICA_PAUSE = float(os.environ.get("CPE_REPLICA_PAUSE", "30"))

# --- people --------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "desk:home"
PASSWORD_HASHERS = ["accounts.hashers.Argon2"]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.password.LongEnough"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "accounts.password.NotFromIdNumber"},
    {"NAME": "accounts.password.NotFromMobile"},
]
SESSION_ENGINE = "accounts.sessions"
# How long a session may pause and how long it may last (ASVS 7.3); admins and operators have less than practitioners.
SESSION_IDLE = timedelta(minutes=int(os.environ.get("CPE_SESSION_IDLE_MINUTES", "30")))
SESSION_LONGEST = timedelta(hours=int(os.environ.get("CPE_SESSION_HOURS", "12")))
ADMIN_SESSION_IDLE = timedelta(minutes=int(os.environ.get("CPE_ADMIN_SESSION_IDLE_MINUTES", "15")))
ADMIN_SESSION_LONGEST = timedelta(hours=int(os.environ.get("CPE_ADMIN_SESSION_HOURS", "8")))
SESSION_COOKIE_AGE = int(max(SESSION_LONGEST, ADMIN_SESSION_LONGEST).total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
# 两步验证: off, optional (who has set it up is asked), required (bureaus, authorities, the platform's staff and super
# admins must set it up before anything else opens). The issuer is the name under which apps list the code.
SECOND_FACTOR = os.environ.get("CPE_SECOND_FACTOR", "optional")
SECOND_FACTOR_ISSUER = os.environ.get("CPE_SECOND_FACTOR_ISSUER", "继续教育平台")
if SECOND_FACTOR not in ("off", "optional", "required"):
    raise ImproperlyConfigured("CPE_SECOND_FACTOR is off, optional or required")
PHONENUMBER_DEFAULT_REGION = "CN"
PHONENUMBER_DB_FORMAT = "E164"
PHONENUMBER_DEFAULT_FORMAT = "NATIONAL"

# How many different people one admin may open in an hour, bureaus and the platform apart; from which number on it is
# said in the log (orgs/budget.py).
PERSONS_PER_HOUR = int(os.environ.get("CPE_PERSONS_PER_HOUR", "300"))
PERSONS_PER_HOUR_OFFICE = int(os.environ.get("CPE_PERSONS_PER_HOUR_OFFICE", "300"))
PERSONS_ALERT = int(os.environ.get("CPE_PERSONS_ALERT", "150"))
# Days until what is not needed any more is forgotten (config/forgetting.py): of people whose account ended, of messages,
# of who looked at whose data (never below half a year).
FORGET_PEOPLE_AFTER = timedelta(days=int(os.environ.get("CPE_FORGET_PEOPLE_DAYS", "365")))
FORGET_MESSAGES_AFTER = timedelta(days=int(os.environ.get("CPE_FORGET_MESSAGES_DAYS", "730")))
FORGET_ACCESS_AFTER = timedelta(days=int(os.environ.get("CPE_FORGET_ACCESS_DAYS", "1095")))

# --- mail and SMS: seams (README, "邮件与短信") ----------------------------------------------------
EMAIL_BACKEND = os.environ.get("CPE_EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = os.environ.get("CPE_SMTP_HOST", "localhost")
EMAIL_PORT = int(os.environ.get("CPE_SMTP_PORT", "25"))
EMAIL_HOST_USER = os.environ.get("CPE_SMTP_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("CPE_SMTP_PASSWORD", "")
EMAIL_TIMEOUT = 10
EMAIL_FILE_PATH = DATA_DIR / "mail"  # for the backend that writes files: the demo's
DEFAULT_FROM_EMAIL = os.environ.get("CPE_MAIL_FROM", "noreply@example.org")
SMS_SENDER = os.environ.get("CPE_SMS_SENDER", "accounts.sms.ConsoleSender")
# Mail, SMS and messages of the approval engine are jobs of a queue in the database (accounts/queue.py).
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""
PROCRASTINATE_IMPORT_PATHS = [
    "accounts.queue",
    "accounts.outbox",
    "workflow.announce",
    "desk.exports.making",
    "desk.exports.expiry",
    "desk.waiting",
    "credits.rolling",
    "credits.overturning",
    "credits.certificate_batches",
]

# --- files ---------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
MEDIA_ROOT = DATA_DIR / "files"  # private: only workflow.views.attachment serves from here
STORAGES = {
    "default": {"BACKEND": "accounts.durable.DurableStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING or DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = TESTING or DEBUG
FILE_UPLOAD_PERMISSIONS = 0o600
ATTACHMENT_MAX_BYTES = 10 * 1024 * 1024
ATTACHMENT_MAX_FILES = 5
ATTACHMENT_MAX_PIXELS = 40_000_000
# Where clamd listens (host:port, or the path of its socket), "" for no scanner; seconds that a file may wait for it.
CLAMD_ADDRESS = os.environ.get("CPE_CLAMD_ADDRESS", "")
CLAMD_SECONDS = float(os.environ.get("CPE_CLAMD_SECONDS", "10"))
FILE_UPLOAD_HANDLERS = ["workflow.uploads.BoundedUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
DATA_UPLOAD_MAX_NUMBER_FILES = 10

# --- language and time ---------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True
USE_I18N = True  # for the sentences that Django's own validators bring

# --- browser-side protection ---------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "style-src": [SELF],
        "script-src": [SELF],
        "img-src": [SELF, "data:"],
        "frame-src": [SELF],  # a PDF beside the form that it proves
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31536000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
# How many proxies in front may be believed for the client's address (throttling). 0: the socket's own.
TRUSTED_PROXIES = int(os.environ.get("CPE_TRUSTED_PROXIES", "0"))
# Who may ask /health/, /ready/ and /metrics (config/health.py): everybody else finds no such address.
MONITOR_NETWORKS = os.environ.get("CPE_MONITOR_NETWORKS", "127.0.0.0/8,::1/128").split(",")

LOGGING = logs.configuration(
    style=os.environ.get("CPE_LOG_FORMAT", "text"), level=os.environ.get("CPE_LOG_LEVEL", "WARNING")
)
