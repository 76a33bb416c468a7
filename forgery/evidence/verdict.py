"""A verdict in words: what page, command and report say about a record."""

from forgery_pyfunc.contract import CodedMessage, Record

EVEN = 0.5
"""Probability from which a picture is more likely forged than not, whatever the cuts say."""

LIMITS_OF_THE_METHOD = (
    "A verdict is a statistical estimate, not proof. The detector looks for traces of splices and "
    "copy-moves in the compression and noise of the pixels. It cannot see staging, false captions "
    "or fully generated pictures, it misses some forgeries, and it sometimes suspects honest "
    "pictures, above all heavily compressed, filtered or rescaled ones. The probability is "
    "calibrated for equal numbers of forged and honest pictures."
)

MAP_SCALE = (
    "The map has one scale for all pictures: the probability that the picture has been altered, "
    "times the evidence at each place. Below 30 % a place stays uncoloured; the mask covers places "
    "from 50 % on."
)


def in_words(record: Record) -> tuple[str, str]:
    """Return the verdict of a record as a headline, and a sentence on what it means."""
    if record.verdict == "forged":
        return (
            "Signs of forgery",
            "Parts of this picture carry traces that do not fit the rest, as after a splice or a "
            "copy-move. Look at the map and the views before you decide; this is not proof.",
        )
    if record.verdict == "authentic" and (record.probability or 0) >= EVEN:
        return (
            "No clear signs of forgery",
            "There are weak, inconsistent traces, too few for the detector to call this forged. "
            "This does not prove the picture genuine: look at the map and the views.",
        )
    if record.verdict == "authentic":
        return (
            "No signs of forgery",
            "The traces in this picture fit together. This does not prove it genuine: careful or "
            "heavily recompressed forgeries leave few traces.",
        )
    if record.reason_code == "too_small":
        return (
            "Too small to judge",
            "The picture has too few pixels for the method. Look for a larger original.",
        )
    return (
        "Inconclusive",
        "The traces are neither clear enough to call this picture forged nor clean enough to clear "
        "it. A less compressed original would help.",
    )


def percent(share: float) -> str:
    """Return a probability for people: whole percents, and tenths where each of them counts."""
    return f"{100 * share:.{0 if 0.05 <= share < 0.95 else 1}f} %"


def remark(record: Record) -> str:
    """Return what is to be said beside the verdict: why there is none, or of what part it is."""
    stated = (record.error, record.reason, record.note)
    return "; ".join(CodedMessage.parse(text).message or text for text in stated if text)


def on_one_line(text: str) -> str:
    """Return text without what a terminal would obey: names and metadata may hold anything."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
