"""A signed, a re-signed, a tampered and a stripped picture are told apart, without a network."""

import builtins
import http.server
import io
import os
import socketserver
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from forgery.evidence.facts import in_process
from forgery.evidence.facts.credentials_reading import read_content_credentials
from forgery.evidence.facts.metadata import metadata
from forgery.evidence.facts.provenance import read_provenance
from forgery.evidence.facts.trust_list import (
    PINNED,
    SIGNERS,
    TIMES,
    TrustListError,
    certificates,
    read_trust_list,
)
from forgery_pyfunc.imaging.decoding import read_metadata
from tests.forgery.evidence.scenes import scene, with_exif, xmp
from tests.forgery.evidence.signing import signer, without_credentials

ANNA, BERT = signer("Anna"), signer("Bert")
JPEG = with_exif(scene(96, 96), b"")
SIGNED = ANNA.sign(JPEG)


@pytest.fixture(autouse=True)
def anna_is_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("C2PA_TRUST_LIST", str(ANNA.trust_list(tmp_path / "list")))


def read(data):
    return read_provenance(data).content_credentials


def tampered(data):
    changed = bytearray(data)
    changed[-40] ^= 4
    return bytes(changed)


def test_a_signed_picture_names_signer_program_and_actions():
    found = read(SIGNED)
    assert found.state == "trusted"
    assert found.signer == "Anna (Example)"
    assert found.claim_generator == "Camera app 3"
    assert [action.in_words() for action in found.actions] == [
        "c2pa.created (captured by a digital camera)"
    ]
    assert (found.ingredients, found.problems, found.ai_generated) == ([], [], None)
    assert "is on the trust list" in found.explanation


def test_a_signer_who_is_not_on_the_list_is_named_as_not_trusted():
    found = read(BERT.sign(JPEG))
    assert (found.state, found.signer) == ("untrusted", "Bert (Example)")
    assert "not on the trust list" in found.explanation
    assert found.problems == ["The signer is not on the trust list."]


def test_who_may_state_times_may_not_sign(tmp_path, monkeypatch):
    folder = ANNA.trust_list(tmp_path / "times")
    (folder / SIGNERS).write_bytes(BERT.root)
    monkeypatch.setenv("C2PA_TRUST_LIST", str(folder))
    found = read(SIGNED)
    assert (found.state, found.problems) == ("untrusted", ["The signer is not on the trust list."])


def test_a_picture_that_is_signed_again_names_what_it_was_made_from():
    found = read(ANNA.sign(SIGNED, parent=SIGNED))
    assert found.state == "trusted"
    assert [each.in_words() for each in found.ingredients] == [
        "before.jpg (parentOf, signed by Anna (Example), trusted)"
    ]
    assert [action.action for action in found.actions] == ["c2pa.opened", "c2pa.edited"]
    assert found.actions[1].software == "Editor 5"


def test_nobody_is_trusted_because_a_stranger_says_so():
    found = read(BERT.sign(SIGNED, parent=SIGNED))
    assert found.state == "untrusted"
    assert found.ingredients[0].state == "untrusted"


def test_a_picture_that_was_changed_after_it_was_signed_is_tampered():
    found = read(tampered(SIGNED))
    assert found.state == "tampered"
    assert found.problems == ["The file was changed after it was signed."]
    assert "was changed after it was signed" in found.explanation
    again = read(ANNA.sign(tampered(SIGNED), parent=tampered(SIGNED)))
    assert (again.state, again.ingredients[0].state) == ("trusted", "tampered")


def test_a_stripped_picture_is_told_from_one_that_never_had_credentials():
    packet = xmp(attributes='dcterms:provenance="self#jumbf=/c2pa/urn:uuid:1"')
    signed = ANNA.sign(with_exif(scene(96, 96), b"", xmp=packet))
    assert read(signed).state == "trusted"
    stripped = read(without_credentials(signed))
    assert stripped.state == "stripped"
    assert "they were removed" in stripped.explanation
    assert read(without_credentials(SIGNED)).state == "absent"
    assert read(JPEG).state == "absent"


@pytest.fixture
def manifest_server():
    """The URL of a manifest, and the paths that were asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            """Say nothing."""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/manifest.c2pa", asked
        server.shutdown()


def test_credentials_that_are_kept_elsewhere_are_named_and_not_fetched(manifest_server):
    url, asked = manifest_server
    remote = ANNA.sign(JPEG, remote_url=url, embedded=False)
    found = read(remote)
    assert found.state == "remote"
    assert url in found.explanation
    both = ANNA.sign(JPEG, remote_url=url)
    assert read(both).state == "trusted"
    assert read(without_credentials(both)).state == "remote"
    assert asked == []
    import c2pa

    with pytest.raises(c2pa.C2paError):  # without our settings it does ask
        c2pa.Reader("image/jpeg", io.BytesIO(remote))
    assert asked == ["/manifest.c2pa"]


@pytest.mark.parametrize(
    ("source_type", "said"),
    [
        ("trainedAlgorithmicMedia", "generated"),
        ("compositeWithTrainedAlgorithmicMedia", "composite"),
    ],
)
def test_what_is_said_of_ai_is_told_and_outlasts_later_versions(source_type, said):
    generated = ANNA.sign(JPEG, source_type)
    for data in (generated, ANNA.sign(generated, parent=generated)):
        origin = read_provenance(data)
        assert origin.content_credentials.ai_generated == said
        assert origin.findings[0].code == f"ai_{said}"
        assert origin.findings[0].weight == "strong"
    stranger = read_provenance(BERT.sign(JPEG, source_type)).findings[0]
    assert (stranger.code, stranger.weight) == (f"ai_{said}", "moderate")


@pytest.mark.parametrize("name", ["PNG", "TIFF", "WEBP"])
def test_other_formats(name):
    output = io.BytesIO()
    Image.fromarray(scene(96, 96)).save(output, name)
    media_type = f"image/{name.lower()}"
    signed = ANNA.sign(output.getvalue(), media_type=media_type)
    assert read(signed).state == "trusted"
    at = signed.find(output.getvalue()[-60:-30])
    changed = signed[: at + 9] + bytes([signed[at + 9] ^ 1]) + signed[at + 10 :]
    assert read(changed).state == "tampered"


def test_damaged_credentials_end_in_a_state_and_never_in_a_failure():
    start = SIGNED.find(b"jumb")
    states = set()
    for at in range(start, start + 2000, 29):  # up to the padding of the signature
        changed = bytearray(SIGNED)
        changed[at] ^= 0xFF
        states.add(read_content_credentials(bytes(changed), None, in_process).state)
    assert states <= {"absent", "unreadable", "invalid", "tampered"}
    assert {"unreadable", "invalid"} <= states


def test_a_long_chain_of_versions_takes_bounded_time():
    data = JPEG
    for _ in range(25):
        data = ANNA.sign(data, parent=data)
    began = time.process_time()
    found = read(data)
    assert found.state == "trusted"
    assert time.process_time() - began < 10


def test_many_threads_may_read_at_once():
    with ThreadPoolExecutor(8) as pool:
        states = set(pool.map(lambda data: read(data).state, [SIGNED, tampered(SIGNED)] * 16))
    assert states == {"trusted", "tampered"}


def test_a_process_that_was_forked_may_read():
    assert read(SIGNED).state == "trusted"
    child = os.fork()
    if child == 0:
        os._exit(0 if read(SIGNED).state == "trusted" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_file_of_another_format_is_not_said_to_be_stripped():
    data = b"ftypheic".rjust(12, b"\0") + b"jumb c2pa"
    assert read_content_credentials(data, "self#jumbf=c2pa", in_process).state == "absent"


def test_without_the_package_they_are_reported_as_not_checked(monkeypatch):
    whole = builtins.__import__

    def without(name, *others):
        if name == "c2pa":
            raise ImportError(name)
        return whole(name, *others)

    monkeypatch.setattr(builtins, "__import__", without)
    found = read(SIGNED)
    assert found.state == "not_checked"
    assert "forgery-detector[credentials]" in found.explanation


def test_the_pinned_list_is_whole_and_trusts_neither_anna_nor_bert(monkeypatch):
    monkeypatch.delenv("C2PA_TRUST_LIST")
    pinned = read_trust_list(PINNED)
    assert len(certificates(pinned.signers)) == 30
    assert len(certificates(pinned.times)) == 22
    assert read(SIGNED).state == "untrusted"


def test_a_list_that_cannot_be_used_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("C2PA_TRUST_LIST", str(tmp_path))
    with pytest.raises(TrustListError, match=f"C2PA_TRUST_LIST: .*{SIGNERS} cannot be read"):
        read(SIGNED)
    for name in (SIGNERS, TIMES):
        (tmp_path / name).write_text("no certificate")
    with pytest.raises(TrustListError, match="holds no certificate"):
        read(SIGNED)


def test_metadata_are_read_without_the_credentials():
    assert metadata(read_metadata(SIGNED), SIGNED).credentials_at is None
