"""Error levels (ELA): how much each place changes in one more JPEG save."""

from forgery.evidence import pictures
from forgery.evidence.views.method import Drawing, Picture, ViewMethod
from forgery_pyfunc.imaging.ela import error_levels


def draw(picture: Picture) -> Drawing:
    """Return the error levels, stretched to the full range of greys."""
    levels = error_levels(picture.image.pixels, picture.ela_quality)
    return Drawing(pictures.stretched(picture.upright(levels)))


VIEW = ViewMethod(
    "Error levels",
    "How much each place changes when saved as JPEG once more. Look for areas that are "
    "brighter or darker than others with similar texture.",
    draw,
)
