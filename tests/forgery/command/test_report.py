from tests.forgery.command.runner import forgery


def test_report_writes_a_pdf_beside_the_picture(front_end, folder):
    result = forgery("report", folder / "dark.jpg", "--url", front_end)
    assert result.exit_code == 0
    assert (folder / "dark-report.pdf").read_bytes().startswith(b"%PDF-")


def test_report_on_a_bad_file_says_why(front_end, folder):
    result = forgery("report", folder / "notes.txt", "--url", front_end)
    assert result.exit_code == 2
    assert "not a picture" in result.stderr
    assert not (folder / "notes-report.pdf").exists()
