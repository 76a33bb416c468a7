"""The frozen test set of a workspace, which judges every release and which nobody learns from."""

from forgery_lab.progress import shown
from forgery_lab.promotion import frozen_set
from forgery_lab.promotion.frozen_set import FrozenSet
from forgery_lab.sources.source import Source
from steps.settings.configuration import PROJECT_ROOT, Workspace


def ensure(source: str, digest: str, workspace: Workspace) -> FrozenSet:
    """Return the frozen test set of the workspace, fetched where it is not there yet.

    Args:
        source: a folder, an archive or a URL; a path may be relative to the project's root.
        digest: expected digest of its manifest; empty: any.
        workspace: to keep it in.
    """
    place = Source.parse(source, PROJECT_ROOT)
    with shown("reading the frozen test set", "images") as progress:
        return frozen_set.ensure(workspace.path("frozen"), place, digest, progress)
