"""Starts the web application for development; in production gunicorn does (see docs/serving.md)."""

from webui.application import create_app
from webui.observability import configure_logging
from webui.settings import Settings

if __name__ == "__main__":
    settings = Settings.from_environment()
    configure_logging(settings.log_level)
    create_app(settings).run(settings.host, settings.port, threaded=True)
