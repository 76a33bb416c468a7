"""The application factory."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from flask import Flask, Response

from forgery.evidence.facts import in_process
from forgery.evidence.facts.finding import NOT_IN_THE_PROBABILITY, ai_notice
from forgery.evidence.facts.provenance import read_provenance
from forgery.evidence.facts.trust_list import read_trust_list, trust_list_folder
from forgery.evidence.pictures import MAP_COLOURS
from forgery.evidence.sandbox import EvidenceSandbox
from forgery.evidence.verdict import percent
from forgery.evidence.views import VIEWS
from webui import errors, observability
from webui.feedback_store import Store
from webui.jobs.runner import Runner
from webui.jobs.store import Bounds, JobStore
from webui.observability import Metrics
from webui.result_store import ResultStore
from webui.scoring.pool import Scoring
from webui.scoring.turns import Turns, waiting_places
from webui.server.held_uploads import HeldUploads
from webui.server.slow_senders import Pacing
from webui.settings import MEBIBYTE, Settings
from webui.uploads import FormRequest, form_parts
from webui.views import (
    analyze,
    feedback,
    health,
    invocations,
    jobs,
    openapi,
    predict,
    report,
    results,
)

EVIDENCE_PATIENCE_SECONDS = 20.0
"""A large picture keeps its turn for some seconds, and a browser sends two at a time."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create_app(settings: Settings | None = None) -> Flask:
    """Return the web application; the settings come from the environment by default.

    Raises:
        SettingsError: an environment variable holds a value that is not allowed.
        TrustListError: the trust list of content credentials cannot be used.
    """
    settings = settings or Settings.from_environment()
    app = Flask(__name__)
    app.request_class = FormRequest
    app.config["SETTINGS"] = settings
    app.config["VERSION"] = application_version()
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = 1024 * 1024
    app.config["MAX_FORM_PARTS"] = form_parts(settings.max_files)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.filters |= {"percent": percent, "ai_notice": ai_notice}
    app.jinja_env.globals |= {
        "evidence_views": VIEWS,
        "map_colours": MAP_COLOURS,
        "not_in_the_probability": NOT_IN_THE_PROBABILITY,
    }

    read_trust_list(trust_list_folder())  # a wrong one is told at the start

    metrics = Metrics()
    app.extensions["metrics"] = metrics
    turns = settings.scoring_concurrency + settings.evidence_concurrency
    places = waiting_places(settings.web_threads, turns)
    scoring = app.extensions["scoring"] = Scoring(settings, metrics, places)
    app.extensions["drawing"] = Turns(
        settings.evidence_concurrency, EVIDENCE_PATIENCE_SECONDS, places
    )
    metrics.watch({"scoring": scoring.turns, "evidence": app.extensions["drawing"]})
    app.extensions["reader"] = (
        EvidenceSandbox(settings.limits, settings.evidence_concurrency)
        if settings.decoder_sandbox
        else in_process
    )
    app.extensions["reading"] = ThreadPoolExecutor(settings.evidence_concurrency)
    held = HeldUploads(settings.max_held_bytes, scoring.turns.expected_wait)
    app.wsgi_app = Pacing(app.wsgi_app, settings, held)  # type: ignore[method-assign]
    app.extensions["results"] = ResultStore(
        settings.results_folder,
        int(settings.results_max_mb * MEBIBYTE),
        settings.results_keep_seconds,
    )
    if settings.feedback_db:
        app.extensions["feedback"] = Store(
            settings.feedback_db, settings.feedback_max_mb * MEBIBYTE
        )
    if settings.jobs_max:
        bounds = Bounds(
            settings.jobs_max,
            int(settings.jobs_max_mb * MEBIBYTE),
            timedelta(seconds=settings.jobs_keep_seconds),
        )
        store = JobStore(settings.jobs_folder, bounds)
        read_origin = partial(
            read_provenance, limits=settings.limits, reader=app.extensions["reader"]
        )
        app.extensions["jobs"] = Runner(store, scoring, read_origin, settings.jobs_concurrency)
    observability.register(app, metrics)
    errors.register(app)
    rooms = (predict, results, analyze, report, jobs, feedback, invocations, health, openapi)
    for room in rooms:
        app.register_blueprint(room.blueprint)

    @app.after_request
    def secure(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    return app


def application_version() -> str:
    """Return the version of the installed package, or "development" in a bare checkout."""
    try:
        return version("forgery-detector")
    except PackageNotFoundError:
        return "development"
