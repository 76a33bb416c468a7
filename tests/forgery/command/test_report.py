from pypdf import PdfReader

from forgery.client import Client
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.command.runner import forgery
from tests.forgery.evidence.scenes import scene


def test_a_report_is_drawn_in_this_process(tmp_path, monkeypatch):
    monkeypatch.setattr(Client, "report", None)
    (tmp_path / "photo.jpg").write_bytes(encode(scene(256, 384), quality=90))
    result = forgery("report", tmp_path / "photo.jpg")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'photo-report.pdf'}\n"
    text = PdfReader(tmp_path / "photo-report.pdf").pages[0].extract_text()
    assert "release-" in text
    assert "Heat map" in text


def test_with_a_url_the_front_end_draws_it(front_end, folder):
    result = forgery("report", folder / "dark.jpg", "--url", front_end)
    assert result.exit_code == 0
    assert (folder / "dark-report.pdf").read_bytes().startswith(b"%PDF-")


def test_a_bad_file_says_why(front_end, folder):
    for url in ((), ("--url", front_end)):
        result = forgery("report", folder / "notes.txt", *url)
        assert result.exit_code == 2
        assert "not a picture" in result.stderr
    assert not (folder / "notes-report.pdf").exists()
    gone = forgery("report", folder / "gone.jpg")
    assert gone.stderr == f"Error: {folder / 'gone.jpg'}: No such file or directory\n"


def test_a_report_overwrites_no_picture(folder):
    picture = folder / "dark.jpg"
    before = picture.read_bytes()
    assert "is the picture" in forgery("report", picture, "-o", picture).stderr
    assert picture.read_bytes() == before
