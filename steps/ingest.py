"""From a source of images to a data root and its manifest."""

import json
import logging

from matplotlib import pyplot
from mlflow.data.pandas_dataset import from_pandas

from forgery_lab.data import ingestion, manifest
from forgery_lab.data.ingestion import IngestSummary
from forgery_lab.data.manifest_figures import summary_figures
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from forgery_lab.promotion.frozen_set import REASONS, issues
from forgery_lab.sources.source import Demo, Source, fetch
from steps.pipeline import frozen_set
from steps.pipeline.engines import engine
from steps.settings.configuration import Workspace, feedback_store
from steps.settings.entities import IngestSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)


def run(settings: IngestSettings, workspace: Workspace) -> None:
    """Fetch the images, look at every one, write the manifest and report what was wrong."""
    is_store = settings.source == "feedback"
    source = Source.parse(f"feedback:{feedback_store()}" if is_store else settings.source)
    is_demo = source.kind == "demo"
    title = "drawing the demo" if is_demo else f"fetching {source.public_name}"
    with shown(title, "images" if is_demo else "parts") as progress:
        root = fetch(
            source,
            workspace.path("raw"),
            checksum=settings.checksum,
            demo=Demo(settings.seed, settings.demo_count),
            progress=progress,
        )
    judges = frozen_set.ensure(settings.frozen, settings.frozen_digest, workspace)
    with engine(settings, root) as spread, shown("reading", "images") as progress:
        frame, summary = ingestion.ingest(
            root,
            progress=progress,
            touching=lambda rows: issues(rows, judges.frame),
            spread=spread,
        )
    manifest.write(frame, workspace.path("manifest"))
    report = json.dumps({"source": source.public_name, **summary.to_dict()}, indent=1) + "\n"
    write_whole(workspace.path("ingest_report"), report, alone=True)
    log(summary, workspace, source.public_name)
    say(summary)
    removed = sum(summary.counts.get(code, 0) for code in REASONS)
    runs.log_metrics({"frozen.taken_out": removed})
    if removed:
        logger.info("%d images overlap with the frozen test set and were removed", removed)


def log(summary: IngestSummary, workspace: Workspace, source: str) -> None:
    """Log the data set, its figures and its faults to the step's run."""
    frame = manifest.read(workspace.path("manifest"))
    columns = ["path", "label", "kind", "category", "group", "sha256", "format", "width", "height"]
    data = from_pandas(frame[columns], source=source, name="manifest", digest=summary.digest[:36])
    runs.log_input(data, context="ingest")
    runs.set_tags({"data_digest": summary.digest})
    counted = ("images", "authentic", "forged", "masks")
    runs.log_metrics({name: getattr(summary, name) for name in counted})
    runs.log_metrics({f"issues.{code}": count for code, count in summary.counts.items()})
    runs.log_artifact(workspace.path("ingest_report"))
    for name, figure in summary_figures(frame).items():
        runs.log_figure(figure, f"figures/{name}.png")
        pyplot.close(figure)


def say(summary: IngestSummary) -> None:
    """Say in a few lines what there is and what was wrong."""
    logger.info(
        "%d images: %d authentic, %d forged, %d masks, %d groups of shared sources",
        summary.images,
        summary.authentic,
        summary.forged,
        summary.masks,
        summary.groups.number,
    )
    for code, count in summary.counts.items():
        logger.info("%s: %d (listed in the report)", code, count)
