"""`GET /openapi.json` and `GET /docs`: the API described for machines and for people."""

from typing import Any

from flask import Blueprint, current_app, render_template

from webui.openapi import describe, document

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
@describe({"application/json": {"type": "object"}}, tag="operation")
def openapi_json() -> dict[str, Any]:
    """Return this document."""
    return document(current_app)


@blueprint.get("/docs")
def docs() -> str:
    """Show the document to people."""
    return render_template("docs.html", document=document(current_app))
