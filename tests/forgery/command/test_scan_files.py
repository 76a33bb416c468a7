"""Which files a scan finds and lists, whatever a folder holds, and what becomes of its output."""

import csv
import io
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forgery.command.scan import Tally
from forgery.scanning import ScannedFile
from forgery_pyfunc.contract import Record
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.command.runner import forgery, started
from tests.forgery.evidence.scenes import scene
from tests.webui.pictures import picture

GIF = b"GIF89a" + bytes(20)
HEIC = b"\0\0\0\x18ftypheic" + bytes(20)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
PHOTO = encode(scene(128, 192), quality=90)


def rows(result, *columns):
    """The given columns of a scan's JSON lines; of an error, the code."""
    found = []
    for line in result.stdout.splitlines():
        row = json.loads(line)
        row["name"] = Path(row["path"]).name
        row["code"] = (row["error"] or "").partition(":")[0]
        found.append(tuple(row[column] for column in columns))
    return found


def test_files_in_folders_are_known_by_their_bytes(tmp_path):
    for name, data in {
        "IMG_1": PHOTO,
        "IMG_2.HEIC": HEIC,
        "IMG_3.gif": GIF,
        "IMG_4.txt": PHOTO,
        "IMG_5": SVG,
        "IMG_6.jpg": b"no picture",
        "IMG_7.heic": b"?",
        "IMG_8": b"",
        ".hidden": PHOTO,
        "._IMG_1.jpg": b"\0\5\x16\7" + bytes(20),
        ".DS_Store": b"\0\0\0\1Bud1",
        ".nomedia": b"",
        "IMG_1.xmp": b"<x:xmpmeta/>",
        "notes.txt": b"notes",
        "song.mp3": b"ID3" + bytes(20),
    }.items():
        (tmp_path / name).write_bytes(data)
    result = forgery("scan", "--jsonl", tmp_path)
    assert result.exit_code == 2
    assert rows(result, "name", "code") == [
        (".hidden", ""),
        ("IMG_1", ""),
        ("IMG_2.HEIC", "broken_image"),
        ("IMG_3.gif", "unsupported_format"),
        ("IMG_4.txt", ""),
        ("IMG_5", "unsupported_format"),
        ("IMG_6.jpg", "not_an_image"),
        ("IMG_7.heic", "not_an_image"),
        ("IMG_8", "empty_image"),
    ]
    assert result.stderr.endswith(
        "9 files: 0 forged, 0 inconclusive, 3 authentic, 6 not scored; "
        "6 files that are no pictures were left out\n"
    )


def test_files_that_are_named_are_always_listed(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "empty").touch()
    named = [tmp_path / name for name in ("notes.txt", "empty", "gone.jpg", "x" * 300)]
    result = forgery("scan", "--jsonl", *named)
    assert result.exit_code == 2
    assert rows(result, "code") == [
        ("not_an_image",),
        ("empty_image",),
        ("unreadable",),
        ("unreadable",),
    ]


def test_what_cannot_be_read_in_a_folder_is_listed_and_blocks_nothing(tmp_path):
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    os.mkfifo(tmp_path / "b.jpg")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/back").symlink_to(tmp_path)
    (tmp_path / "deep/link.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listening, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)  # a socket's path must be short
        listening.bind("socket")
        result = forgery("scan", "--jsonl", tmp_path)
    assert result.exit_code == 2
    assert rows(result, "name", "verdict", "error") == [
        ("a.jpg", "authentic", None),
        ("b.jpg", None, "unreadable: It is a named pipe, not a file."),
        ("broken", None, "unreadable: No such file or directory"),
        ("link.jpg", "authentic", None),
        ("loop", None, "unreadable: Too many levels of symbolic links"),
        ("null", None, "unreadable: It is a device, not a file."),
        ("socket", None, "unreadable: It is a socket, not a file."),
    ]


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs util-linux")
def test_folders_and_files_without_permission_are_listed(tmp_path):
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    (tmp_path / "closed").mkdir(mode=0o000)
    (tmp_path / "secret.jpg").write_bytes(PHOTO)
    (tmp_path / "secret.jpg").chmod(0)
    command = [sys.executable, "-m", "forgery.command", "scan", "--jsonl", "."]
    if os.getuid() == 0:  # whom no permission stops: do without that privilege
        bound = ["--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
        command = ["setpriv", *bound, *command]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert rows(done, "path", "error") == [
        ("a.jpg", None),
        ("closed", "unreadable: Permission denied"),
        ("secret.jpg", "unreadable: Permission denied"),
    ]


def test_names_cannot_break_lines_or_obey_as_commands_of_a_terminal(tmp_path):
    (tmp_path / "two\nlines.jpg").write_bytes(PHOTO)
    (tmp_path / "red\x1b[31m.jpg").write_bytes(PHOTO)
    (tmp_path / "ä €.jpg").write_bytes(PHOTO)
    (tmp_path / ("x" * 250 + ".jpg")).write_bytes(PHOTO)
    lines = forgery("scan", tmp_path).stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].endswith("red\\x1b[31m.jpg")
    assert lines[1].endswith("two\\nlines.jpg")
    table = list(csv.DictReader(io.StringIO(forgery("scan", "--csv", tmp_path).stdout)))
    assert table[1]["path"].endswith("two\nlines.jpg")
    done = subprocess.run(
        [sys.executable, "-m", "forgery.command", "scan", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert b"\\xe4 \\u20ac.jpg" in done.stdout


@pytest.mark.parametrize(("options", "end"), [((), "\n"), (("-0",), "\0"), (("--null",), "\0")])
def test_standard_input_lists_files_and_folders(tmp_path, options, end):
    (tmp_path / "deep").mkdir()
    for name in ("a.jpg", "deep/b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(PHOTO)
    listed = "".join(f"{tmp_path / name}{end}" for name in ("c.jpg", "deep", "gone"))
    result = forgery("scan", "--jsonl", *options, "-", tmp_path / "a.jpg", stdin=listed.encode())
    assert rows(result, "name", "code") == [
        ("c.jpg", ""),
        ("b.jpg", ""),
        ("gone", "unreadable"),
        ("a.jpg", ""),
    ]


def test_a_list_that_cannot_be_meant_is_a_usage_error():
    assert "add -0" in forgery("scan", "-", stdin=b"a\0b\0").stderr
    assert "A PATH is empty" in forgery("scan", "").stderr
    assert "from 0 to 1" in forgery("scan", __file__, "--threshold", "nan").stderr
    assert forgery("scan", "-", stdin=b"\n").stderr == "Error: No pictures found.\n"


def test_only_filters_what_is_listed_and_nothing_else(tmp_path):
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    (tmp_path / "b.gif").write_bytes(GIF)
    (tmp_path / "c.png").write_bytes(picture(90, "PNG", 40, 40))
    result = forgery("scan", "--jsonl", "--only", "inconclusive", "--only", "forged", tmp_path)
    assert rows(result, "name", "verdict") == [("b.gif", None), ("c.png", "inconclusive")]
    assert "3 files: 0 forged, 1 inconclusive, 1 authentic, 1 not scored" in result.stderr
    forged = forgery("scan", "--only", "authentic", "--threshold", 0, tmp_path / "a.jpg")
    assert (forged.stdout, forged.exit_code) == ("", 1)


def test_every_layout_tells_the_reason_of_every_file(tmp_path):
    (tmp_path / "b.gif").write_bytes(GIF)
    (tmp_path / "c.png").write_bytes(picture(90, "PNG", 40, 40))
    page = Image.fromarray(scene(128, 192))
    page.save(tmp_path / "d.tif", save_all=True, append_images=[page])
    for layout in ("--csv", "--json", "--jsonl", "--html", "--threshold=0.5"):
        said = forgery("scan", layout, tmp_path).stdout
        assert "The file is a GIF image" in said, layout
        assert "the method needs at least 64×64" in said.replace("\\u00d7", "×"), layout
        assert "2 pages; only the first" in said, layout
    array = json.loads(forgery("scan", "--json", tmp_path).stdout)
    assert array[1]["reason"].startswith("too_small: ")
    assert "heatmap" not in array[1]


@pytest.mark.parametrize("name", ["v.csv", "v.json", "v.jsonl", "v.HTML", "v.txt"])
def test_a_file_gets_the_layout_of_its_name_unless_an_option_says_otherwise(tmp_path, name):
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    result = forgery("scan", tmp_path, "-o", tmp_path / name)
    assert (result.stdout, result.exit_code) == ("", 0)
    start = {".csv": "path,", ".json": "[\n{", ".jsonl": "{", ".html": "<!doctype", ".txt": "auth"}
    assert (tmp_path / name).read_text().startswith(start[(tmp_path / name).suffix.lower()])
    forgery("scan", tmp_path / "a.jpg", "--csv", "-o", tmp_path / name)
    assert (tmp_path / name).read_text().startswith("path,")


def test_output_overwrites_no_picture_and_names_what_it_cannot_write(tmp_path):
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    result = forgery("scan", tmp_path, "-o", tmp_path / "a.jpg")
    assert "is one of the pictures" in result.stderr
    assert (tmp_path / "a.jpg").read_bytes() == PHOTO
    gone = forgery("scan", tmp_path, "-o", tmp_path / "no/v.csv")
    assert gone.exit_code == 2
    assert gone.stderr.endswith("no/v.csv: No such file or directory\n")


def test_heat_maps_lie_as_the_pictures_do(tmp_path):
    for name in ("in/a.jpg", "in/a.png", "in/deep/a.jpg", "other/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PHOTO)
    (tmp_path / "in/b.gif").write_bytes(GIF)
    maps = tmp_path / "in/maps"
    for _ in range(2):  # the maps of the first are no pictures of the second
        result = forgery("scan", tmp_path / "in", "--heatmaps", maps)
        assert "4 files: " in result.stderr
    found = sorted(path.relative_to(maps).as_posix() for path in maps.rglob("*.png"))
    assert found == ["a.jpg.png", "a.png.png", "deep/a.jpg.png"]
    with Image.open(maps / "a.jpg.png") as drawn:
        assert (drawn.mode, drawn.size) == ("L", (192, 128))
        assert np.asarray(drawn).any()
    both = tmp_path / "both"
    forgery("scan", tmp_path / "in/a.jpg", tmp_path / "other", "--heatmaps", both)
    assert sorted(path.relative_to(both).as_posix() for path in both.rglob("*.png")) == [
        "in/a.jpg.png",
        "other/a.jpg.png",
    ]


def test_heat_maps_overwrite_no_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "a.jpg.png"):
        Path(name).write_bytes(PHOTO)
    assert "holds the pictures" in forgery("scan", ".", "--heatmaps", ".").stderr
    result = forgery("scan", "a.jpg", "a.jpg.png", "--heatmaps", ".")
    assert "would overwrite the picture" in result.stderr
    assert Path("a.jpg.png").read_bytes() == PHOTO
    assert "Not a directory" in forgery("scan", "a.jpg", "--heatmaps", "a.jpg/maps").stderr


def test_a_map_that_cannot_be_written_is_told_and_the_scan_goes_on(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "x" * 250 + ".jpg", "z.jpg"):
        (tmp_path / "in" / name).write_bytes(PHOTO)
    result = forgery("scan", tmp_path / "in", "--heatmaps", tmp_path / "maps")
    assert result.exit_code == 2
    assert "was not written: File name too long" in result.stderr
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"a.jpg.png", "z.jpg.png"}


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_the_order_and_the_answers_do_not_depend_on_the_jobs(tmp_path, jobs):
    for number in range(12):
        height = 128 if number % 3 else 512  # later ones are done sooner
        (tmp_path / f"{number:02}.jpg").write_bytes(encode(scene(height, 192), quality=90))
    once = forgery("scan", "--jsonl", "--jobs", 1, tmp_path)
    assert forgery("scan", "--jsonl", "--jobs", jobs, tmp_path).stdout == once.stdout
    assert [name for (name,) in rows(once, "name")] == [f"{n:02}.jpg" for n in range(12)]


@pytest.fixture
def many(tmp_path):
    """More pictures than are scored in a second or two."""
    for number in range(60):
        (tmp_path / f"{number:02}.jpg").write_bytes(encode(scene(768, 768), quality=90))
    return tmp_path


def test_ctrl_c_keeps_what_was_done(many):
    with started("scan", "--json", many, bufsize=0) as process:
        process.stdout.readline()
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    done = json.loads(b"[" + first + rest)
    assert 1 <= len(done) < 60
    assert said.decode().startswith(f"Interrupted after {len(done)} file")


def test_ctrl_c_while_a_file_is_written_ends_after_it_and_a_second_one_at_once():
    files = [ScannedFile(Path(f"{number}.jpg"), Record(verdict="forged")) for number in range(3)]
    tally = Tally()
    with tally.told_of_interrupts():
        listed = []
        for file in tally.counted(files):
            signal.raise_signal(signal.SIGINT)
            listed.append(file.path.name)
        assert listed == ["0.jpg"]
        assert tally.summary().startswith("Interrupted after 1 file: 1 forged")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_does_not_wait_for_a_silent_server(tmp_path):
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with started("scan", "--json", tmp_path, "--url", url) as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            written, said = process.communicate(timeout=20)
            connection.close()
    assert process.returncode == 130
    assert json.loads(written) == []
    assert said.decode().startswith("Interrupted after 0 files")


def test_limits_are_those_of_the_environment(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    monkeypatch.setenv("MAX_PIXELS", "1000")
    assert rows(forgery("scan", "--jsonl", tmp_path), "code") == [("too_many_pixels",)]
    monkeypatch.setenv("MAX_PIXELS", "many")
    assert forgery("scan", tmp_path).stderr == (
        "Error: MAX_PIXELS is 'many'; it must be a number above 0\n"
    )


def test_a_reader_that_has_enough_is_no_trouble(many):
    with started("scan", many) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode == 2


def on_a_terminal(*arguments):
    """What a terminal shows, with both outputs on it."""
    shown, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with started(*arguments, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        content = b""
        while True:
            try:
                content += os.read(shown, 65536)
            except OSError:  # its end, on Linux
                break
    os.close(shown)
    return process.returncode, content.decode()


def test_a_terminal_shows_progress_below_whole_lines(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.jpg").write_bytes(PHOTO)
    status, shown = on_a_terminal("scan", tmp_path)
    assert status == 0, shown
    assert "/3 [" in shown
    lines = [line.rpartition("\r")[2] for line in shown.replace("\r\n", "\n").splitlines()]
    listed = [line for line in lines if line.startswith("authentic")]
    assert [line.rstrip()[-5:] for line in listed] == ["a.jpg", "b.jpg", "c.jpg"]
    assert "/1 [" not in on_a_terminal("scan", tmp_path / "a.jpg")[1]


@pytest.mark.parametrize("layout", ["--csv", "--json", "--jsonl", "--html", None])
def test_every_layout_tells_that_only_the_first_page_was_judged(tmp_path, layout):
    pages = [Image.fromarray(np.roll(scene(), n, 1)) for n in range(2)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    result = forgery("scan", tmp_path / "two.tif", *filter(None, [layout]))
    assert "the file has 2 pages; only the first was judged" in result.stdout
