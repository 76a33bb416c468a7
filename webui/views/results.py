"""`GET /results/…`: results of the page that are still kept, with all that is drawn on demand."""

from dataclasses import replace

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from forgery.evidence.analysis import View
from forgery.evidence.views import VIEWS
from forgery.report.pdf import draw, report_name
from webui.errors import ApiError
from webui.forms import ViewForm
from webui.records import of_file
from webui.result_store import StoredResult, result_store
from webui.scoring.turns import drawing
from webui.verdicts import draw_one_view, with_all_views, with_why
from webui.views.predict import Card, show

blueprint = Blueprint("results", __name__)


@blueprint.get("/results/<identifier>")
def result(identifier: str) -> str:
    """Show a result, with the view that the address names."""
    form = ViewForm.read(request.args)
    kept = find(identifier)
    view = draw_named_view(kept, form.view, form.ela_quality) if form.view else None
    if form.why:
        kept = replace(kept, analysis=with_why(kept))
    return show([to_card(kept, view)])


@blueprint.get("/results/<identifier>/why")
def why(identifier: str) -> str:
    """Return why a picture got its verdict, as a piece of the page."""
    return render_template("why.html", analysis=with_why(find(identifier)))


@blueprint.get("/results/<identifier>/views/<name>")
def view(identifier: str, name: str) -> str:
    """Return one evidence view and how to read it, as a piece of the page."""
    form = ViewForm.read(request.args | {"view": name})
    kept = find(identifier)
    drawn = draw_named_view(kept, form.view, form.ela_quality)
    return render_template("view.html", view=drawn, filename=kept.analysis.filename)


@blueprint.get("/results/<identifier>/report.pdf")
def report(identifier: str) -> Response:
    """Return the report on a result."""
    form = ViewForm.read(request.args)
    drawing().check_room()
    analysis = with_all_views(find(identifier), form.ela_quality)
    answer = Response(draw(analysis, current_app.config["VERSION"]), mimetype="application/pdf")
    return attached(answer, report_name(analysis))


@blueprint.get("/results/<identifier>/analysis.json")
def analysis(identifier: str) -> Response:
    """Return the analysis of a result, as `POST /v1/analyze` does."""
    form = ViewForm.read(request.args)
    drawing().check_room()
    found = with_all_views(find(identifier), form.ela_quality)
    answer = Response(found.model_dump_json(indent=2), mimetype="application/json")
    return attached(answer, f"{report_name(found).removesuffix('.pdf')}.json")


@blueprint.get("/compare")
def compare() -> str:
    """Show two results side by side, with the view that the address names."""
    form = ViewForm.read(request.args)
    identifiers = request.args.getlist("result")
    if len(identifiers) != 2:
        message = f"Choose two results to compare; {len(identifiers)} were chosen."
        raise ApiError("bad_parameter", message)
    results = [find(identifier) for identifier in identifiers]
    cards = [
        to_card(kept, draw_named_view(kept, form.view, form.ela_quality) if form.view else None)
        for kept in results
    ]
    return render_template("compare.html", cards=cards, identifiers=identifiers, name=form.view)


@blueprint.post("/results/<identifier>/delete")
def delete(identifier: str) -> Answer:
    """Delete a result before its time."""
    if not result_store().remove(identifier):
        raise gone()
    return redirect(url_for("predict.index"), 303)


def find(identifier: str) -> StoredResult:
    """Return a result that is still kept.

    Raises:
        ApiError: `not_found`.
    """
    kept = result_store().get(identifier)
    if kept is None:
        raise gone()
    return kept


def gone() -> ApiError:
    """Return the error for a result that is not kept, or not any more."""
    minutes = current_app.config["SETTINGS"].results_keep_seconds / 60
    message = (
        f"There is no such result. Results are kept for {minutes:g} minutes, or less where others "
        "need the room. Analyse the picture again."
    )
    return ApiError("not_found", message)


def draw_named_view(kept: StoredResult, name: str, ela_quality: int) -> View:
    """Return a view, or, where the picture is too small for it, the sentence that says so."""
    drawn = draw_one_view(kept, name, ela_quality)
    if drawn is None:
        text = "This picture is too small for this view."
        return View(name=name, title=VIEWS[name].title, explanation=text, image="")
    return drawn


def to_card(kept: StoredResult, view: View | None = None) -> Card:
    """Return what the page shows of a result."""
    analysis = kept.analysis
    return Card(of_file(analysis.filename, analysis.record), analysis, kept, view)


def attached(answer: Response, name: str) -> Response:
    """Return an answer that a browser saves under a name."""
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
