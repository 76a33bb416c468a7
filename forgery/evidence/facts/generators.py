"""AI programs by the texts that they leave in a file: their name, and what it was known by."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forgery.evidence.facts.stated_text import stated_text


@dataclass(frozen=True)
class Generator:
    """An AI program, and the text that names it."""

    name: str
    known_by: str


@dataclass(frozen=True)
class _Trace:
    name: str
    key: str
    pattern: re.Pattern[str]


def _trace(name: str, key: str, pattern: str = "") -> _Trace:
    return _Trace(name, key, re.compile(pattern))


_SEARCHED = 2**16
"""Characters of a text that are searched."""

_TRACES = (
    _trace("SwarmUI", "parameters", r'"sui_image_params"'),
    _trace("Stable Diffusion", "parameters", r"\bSteps: \d+"),
    _trace("Stable Diffusion", "UserComment", r"\bSteps: \d+, (Sampler|Schedule|CFG scale)"),
    _trace("ComfyUI", "prompt", r'"class_type"'),
    _trace("ComfyUI", "workflow", r'"nodes"'),
    _trace("InvokeAI", "invokeai_metadata"),
    _trace("InvokeAI", "invokeai_graph"),
    _trace("InvokeAI", "sd-metadata"),
    _trace("InvokeAI", "Dream"),
    _trace("Fooocus", "fooocus_scheme"),
    _trace("NovelAI", "Software", r"NovelAI"),
    _trace("Midjourney", "Description", r"Job ID: [0-9a-f-]{36}"),
    _trace("an AI program of Google", "photoshop:Credit", r"Made with Google AI"),
)
"""What the programs' own sources and files write, by key: of a PNG's text, of EXIF, or of XMP."""

_PROGRAMS = re.compile(
    r"stable ?diffusion|midjourney|dall.?e [23]|adobe firefly|comfyui|novelai|invokeai|fooocus",
    re.IGNORECASE,
)


def generator_of(texts: Mapping[str, str], software: Sequence[str]) -> Generator | None:
    """Return the AI program that a file names.

    Args:
        texts: by key: of a PNG, `UserComment` of EXIF, and properties of XMP.
        software: the programs that the file names.
    """
    for trace in _TRACES:
        text = texts.get(trace.key)
        if text is not None and trace.pattern.search(text[:_SEARCHED]):
            return Generator(trace.name, trace.key)
    if system := stated_text(texts.get("Iptc4xmpExt:AISystemUsed")):
        return Generator(system, "Iptc4xmpExt:AISystemUsed")
    named = next(filter(_PROGRAMS.search, software), None)
    return Generator(named, "the name of the program") if named else None
