"""Pictures and files that the tests of evidence look at."""

import io

import numpy as np
from PIL import Image

from forgery_pyfunc.imaging.decoding import DecodedImage, decode
from forgery_pyfunc.imaging.jpeg_encoder import encode


def scene(height: int = 256, width: int = 384, seed: int = 0) -> np.ndarray:
    """uint8[height, width, 3]: clouds of several scales and a little noise."""
    rng = np.random.default_rng(seed)
    picture = rng.normal(0, 3, (height, width, 3))
    for cell in (6, 12, 24, 48):
        coarse = rng.normal(0, 8 * cell**0.5, (height // cell + 2, width // cell + 2))
        large = Image.fromarray(coarse.astype(np.float32)).resize((width, height), Image.BICUBIC)
        picture += np.asarray(large)[..., None]
    return np.clip(128 + picture, 0, 255).astype(np.uint8)


def png(pixels: np.ndarray) -> DecodedImage:
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "PNG")
    return decode(output.getvalue())


def saved(pixels: np.ndarray, quality: int) -> np.ndarray:
    return decode(encode(pixels, quality=quality)).pixels


def with_exif(pixels: np.ndarray, exif: Image.Exif | bytes, **options) -> bytes:
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "JPEG", quality=90, exif=exif, **options)
    return output.getvalue()


def exif_with_thumbnail(thumbnail: bytes) -> bytes:
    """A little-endian EXIF block of two directories, the second holding a thumbnail."""
    start = 8 + 2 + 4 + 2 + 2 * 12 + 4

    def entry(tag: int, value: int) -> bytes:
        return b"".join(
            n.to_bytes(size, "little") for n, size in ((tag, 2), (4, 2), (1, 4), (value, 4))
        )

    first = (0).to_bytes(2, "little") + (14).to_bytes(4, "little")
    second = (
        (2).to_bytes(2, "little") + entry(0x201, start) + entry(0x202, len(thumbnail)) + bytes(4)
    )
    return b"Exif\0\0II*\0\x08\0\0\0" + first + second + thumbnail


def xmp(elements: str = "", attributes: str = "") -> bytes:
    """An XMP packet with properties as elements and as attributes."""
    namespaces = {
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "dcterms": "http://purl.org/dc/terms/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    }
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {declared}>'
        f'<rdf:Description rdf:about="" {attributes}>{elements}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()
