"""Text that a file states about itself: written by anybody, shown to people."""

LONGEST, SHORT = 200, 100
"""Characters of a stated value that are shown: by default, and of one among many."""


def stated_text(value: object, longest: int = LONGEST) -> str | None:
    """Return the printable part of a stated value, cut to a length; None where it is empty."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "".join(c for c in text[: 4 * longest] if c.isprintable()).strip()[:longest] or None
