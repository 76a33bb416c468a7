"""The wheel: two packages with all that they need, in an environment without the checkout."""

import json
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.evidence.scenes import scene
from tests.webui.servers import ROOT

PACKAGES = sysconfig.get_path("purelib")

USED_BY_EVERYTHING = """
import contextlib, json, sys
from pathlib import Path
from forgery.client import Client
from forgery.command import main
from forgery.evidence.analysis import analyse
from forgery.report.pdf import draw
from forgery_pyfunc import Detector
from forgery_pyfunc.imaging.guards import Limits

data = Path(sys.argv[1]).read_bytes()
record = Detector.shipped().score(data, with_heatmap=True)
draw(analyse("a.jpg", data, record, Limits()), "1")
with contextlib.suppress(SystemExit):
    main(["scan", "--html", sys.argv[1]])
packages = Path(sys.argv[2])
files = [Path(file) for module in sys.modules.values() if (file := getattr(module, "__file__", 0))]
below = [file.relative_to(packages) for file in files if file.is_relative_to(packages)]
print(json.dumps(sorted({file.parts[0].partition(".")[0] for file in below})))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, check=True, cwd=ROOT, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """An environment with the wheel and the packages of this one, but nothing of the checkout.

    It has the dependencies of all rooms: a path in a `.pth` file adds no editable installation.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    uv = Path(sys.executable).with_name("uv")
    install = [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--no-config"]
    subprocess.run([*install, "--python", folder / "bin/python", wheel], check=True)
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    (packages / "packages.pth").write_text(PACKAGES)
    return folder


def run(environment: Path, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    return subprocess.run(
        [environment / "bin" / command, *arguments],
        cwd=environment,
        env=variables,
        capture_output=True,
        text=True,
    )


def test_it_holds_two_packages_with_their_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"forgery", "forgery_pyfunc"}
    shipped = {
        f"forgery/shipped/{name}" for name in ("detector.json", "network.onnx", "ATTRIBUTION.md")
    }
    assert {*shipped, "forgery/report/templates/scan.html"} <= set(names)


def test_the_command_needs_no_checkout(environment, tmp_path):
    (tmp_path / "a.jpg").write_bytes(encode(scene(), quality=90))
    scan = run(environment, "forgery", "scan", "--jsonl", tmp_path)
    assert scan.returncode == 0, scan.stderr
    assert json.loads(scan.stdout)["verdict"] == "authentic"
    listed = run(environment, "forgery", "--help")
    assert listed.returncode == 0, listed.stderr
    assert "scan  " in listed.stdout
    assert "doctor" not in listed.stdout


@pytest.mark.parametrize(
    ("command", "room"), [("doctor", "steps"), ("history", "steps"), ("serve", "webui")]
)
def test_commands_of_other_rooms_say_that_these_are_not_installed(environment, command, room):
    done = run(environment, "forgery", command, "--help")
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: `forgery {command}` needs the package {room}, which is")


def test_it_declares_all_that_it_imports(environment, tmp_path):
    (tmp_path / "a.jpg").write_bytes(encode(scene(), quality=90))
    arguments = (tmp_path / "a.jpg", PACKAGES)
    done = run(environment, "python", "-c", USED_BY_EVERYTHING, *arguments)
    assert done.returncode == 0, done.stderr
    used = set(json.loads(done.stdout.splitlines()[-1]))
    brought = {
        file.parts[0].partition(".")[0]
        for name in requirements(declared(environment))
        for file in distribution(name).files or ()
    }
    assert {"numpy", "onnxruntime"} <= used
    assert used - {"brotli", "_brotli"} <= brought  # which urllib3 takes where it is there


def declared(environment: Path) -> list[str]:
    """The requirements in the wheel's metadata."""
    code = (
        "from importlib.metadata import requires; print(*requires('forgery-detector'), sep='\\n')"
    )
    return run(environment, "python", "-c", code).stdout.splitlines()


def requirements(texts: list[str]) -> set[str]:
    """The names of all packages that these requirements bring, extras left out."""
    found: set[str] = set()
    waiting = list(texts)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += distribution(name).requires or []
    return found
