"""The evidence views, in the order in which they are shown.

To add one: a module that defines a `ViewMethod`, and its line in `VIEWS`.
"""

from forgery.evidence.views import block_grid, copies, error_levels, ghosts, noise
from forgery.evidence.views.method import ViewMethod

VIEWS: dict[str, ViewMethod] = {
    "ela": error_levels.VIEW,
    "noise": noise.VIEW,
    "ghosts": ghosts.VIEW,
    "grid": block_grid.VIEW,
    "copies": copies.VIEW,
}
"""The methods by the name that a request chooses them with."""
