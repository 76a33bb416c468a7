"""The XMP packet of a file: XML from strangers, read without entities and in bounded size."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

MAX_BYTES = 2**18
"""Of a packet that is read: a JPEG's has 64 KiB at most, and the worst XML takes under a second."""
MAX_VALUES = 100
"""Of one property."""

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_NAMESPACES = {
    "dcterms": "http://purl.org/dc/terms/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
}


@dataclass(frozen=True, eq=False)
class Xmp:
    """The properties of a packet; `damaged` where there is one that cannot be read."""

    root: Element | None = None
    damaged: bool = False

    def values(self, name: str) -> list[str]:
        """Return the texts of a property such as `xmp:CreatorTool`, at most 100.

        It may be an attribute or an element, and the element may hold a list.
        """
        return list(itertools.islice(self._all(_qualified(name)), MAX_VALUES))

    def first(self, name: str) -> str | None:
        """Return the first text of a property, None where it is absent."""
        return next(self._all(_qualified(name)), None)

    def items(self, name: str) -> list[Element]:
        """Return the elements of a list such as `xmpMM:History`, at most 100."""
        found = () if self.root is None else self.root.iter(_qualified(name))
        entries = (entry for element in found for entry in element.iter(f"{_RDF}li"))
        return list(itertools.islice(entries, MAX_VALUES))

    def _all(self, qualified: str) -> Iterator[str]:
        for element in () if self.root is None else self.root.iter():
            yield from filter(None, texts(element, qualified))


def read_xmp(packet: bytes) -> Xmp:
    """Return what an XMP packet states; nothing where it is empty."""
    packet = packet.strip(b"\0 \t\r\n")
    if not packet:
        return Xmp()
    if len(packet) > MAX_BYTES:
        return Xmp(damaged=True)
    try:
        return Xmp(fromstring(packet, forbid_dtd=True))
    except (ParseError, DefusedXmlException, ValueError, LookupError):  # the last two: its encoding
        return Xmp(damaged=True)


def field(element: Element, name: str) -> str | None:
    """Return a field of a structure, such as `stEvt:action` of an entry of the history."""
    qualified = _qualified(name)
    nested = (text for child in element.iter() for text in texts(child, qualified))
    return next(filter(None, nested), None)


def texts(element: Element, qualified: str) -> Iterator[str]:
    """Yield the texts that an element gives to a property: its attribute, or its own content."""
    yield element.get(qualified, "").strip()
    if element.tag == qualified:
        yield (element.text or "").strip()
        yield from ((entry.text or "").strip() for entry in element.iter(f"{_RDF}li"))


def _qualified(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"
