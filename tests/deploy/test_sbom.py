"""The bill of materials is a valid one, and names what the packages bring with them."""

import json
from email import message_from_string
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy import inventory, sbom

LABELS = {"title": "forgery-detector", "version": "1.2.3", "revision": "abc"}
LIBC = {
    "Package": "libc6", "Version": "2.36-9+deb12u1", "Architecture": "amd64",
    "source:Package": "glibc", "source:Version": "2.36-9+deb12u1",
}  # fmt: skip


PACKAGES = {"flask", "numpy", "pandas", "pillow", "pytest"}


@pytest.fixture(scope="module")
def text() -> str:
    """The bill of an image with some packages of this environment."""
    packages = [
        package
        for package in inventory.python_packages()
        if message_from_string(package["metadata"])["Name"].lower() in PACKAGES
    ]
    labels = {f"{sbom.LABEL}{name}": value for name, value in LABELS.items()}
    inside = {
        "system": {"name": "debian", "version": "12"},
        "python": "3.11.9",
        "python_packages": packages,
        "debian_packages": [LIBC],
    }
    return sbom.written(sbom.describe({"Id": "sha256:0", "Config": {"Labels": labels}}, inside))


@pytest.fixture(scope="module")
def bill(text: str) -> dict[str, Any]:
    return json.loads(text)


def component(bill: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in bill["components"] if one["name"] == name]
    return found


def test_it_is_cyclonedx(text: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_it_says_of_which_image_it_is(bill: dict[str, Any]) -> None:
    whole = bill["metadata"]["component"]
    assert (whole["name"], whole["version"], whole["type"]) == (
        "forgery-detector", "1.2.3", "container",
    )  # fmt: skip
    assert whole["description"] == "image sha256:0 of revision abc"


def test_packages_have_addresses_by_which_scanners_know_them(bill: dict[str, Any]) -> None:
    flask = component(bill, "Flask")
    assert flask["purl"] == f"pkg:pypi/flask@{flask['version']}"
    assert flask["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    debian = "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?"
    assert component(bill, "libc6")["purl"].startswith(f"{debian}arch=amd64&distro=debian-12")
    assert component(bill, "cpython")["version"] == "3.11.9"


def test_the_decoders_inside_pillow_are_listed(bill: dict[str, Any]) -> None:
    inside = {part["name"]: part.get("version") for part in component(bill, "pillow")["components"]}
    for library in ("libjpeg / libjpeg-turbo", "libtiff", "libwebp", "libavif"):
        assert inside[library]
    assert "pillow" not in inside


def test_it_says_what_needs_what(bill: dict[str, Any]) -> None:
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    refs = {name: component(bill, name)["bom-ref"] for name in ("pandas", "numpy", "pytest")}
    assert refs["numpy"] in needs[refs["pandas"]]
    assert refs["pytest"] not in needs[refs["pandas"]]  # only its extra asks for that
