"""The reader of strangers' files answers as the one of this process does."""

import io

import pytest
from PIL import Image

from forgery.evidence.facts import in_process
from forgery.evidence.facts.provenance import read_provenance
from forgery.evidence.sandbox import EvidenceSandbox
from forgery_pyfunc.imaging.guards import Limits
from tests.forgery.evidence.scenes import scene, with_exif
from tests.forgery.evidence.signing import signer

ANNA = signer("Anna")
JPEG = with_exif(scene(96, 96), b"")
SIGNED = ANNA.sign(JPEG, "trainedAlgorithmicMedia")
TAMPERED = SIGNED[:-40] + bytes([SIGNED[-40] ^ 1]) + SIGNED[-39:]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = ANNA.trust_list(tmp_path_factory.mktemp("trust") / "list")
        patch.setenv("C2PA_TRUST_LIST", str(folder))
        made = EvidenceSandbox(Limits(max_pixels=10**6), decoders=1)
        yield made
        made.close()


def webp() -> bytes:
    output = io.BytesIO()
    Image.fromarray(scene(96, 96)).save(output, "WEBP")
    return ANNA.sign(output.getvalue(), media_type="image/webp")


@pytest.mark.parametrize(
    ("data", "state"),
    [(SIGNED, "trusted"), (TAMPERED, "tampered"), (JPEG, "absent"), (webp(), "trusted")],
    ids=["signed", "tampered", "bare", "WebP"],
)
def test_a_sandbox_reads_content_credentials_as_this_process_does(sandbox, data, state):
    found = read_provenance(data, reader=sandbox)
    assert found == read_provenance(data, reader=in_process)
    assert found.content_credentials.state == state


def test_damage_ends_in_a_state(sandbox):
    start = SIGNED.find(b"jumb")
    states = set()
    for at in range(start, start + 2000, 97):
        changed = bytearray(SIGNED)
        changed[at] ^= 0xFF
        states.add(read_provenance(bytes(changed), reader=sandbox).content_credentials.state)
    assert states <= {"absent", "unreadable", "invalid", "tampered"}


def test_what_no_decoder_reads_has_unreadable_credentials(sandbox, monkeypatch):
    assert sandbox.read_manifest(SIGNED).reading == "present"
    monkeypatch.setattr(sandbox, "limits", Limits(max_bytes=len(SIGNED) - 1))
    assert sandbox.read_manifest(SIGNED).reading == "unreadable"
