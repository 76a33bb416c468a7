"""Every dependency of every lock has a licence that the rules allow."""

from dataclasses import replace
from email.message import Message
from importlib.metadata import metadata

import pytest

from deploy.licences import Rules, is_allowed, locked, refused, stated
from tests.doors.interpreters import ROOT

LOCKS = ROOT / "requirements"
RULES = Rules.read()
KINDS = {
    "serve": ("image",),
    "pipeline": ("image", "development"),
    "dev": ("image", "development"),
    "spark": ("image", "development"),
    "bootstrap": ("image", "development"),
}


def test_every_lock_is_looked_at():
    assert {lock.stem for lock in LOCKS.glob("*.lock")} == set(KINDS)
    assert len(locked(LOCKS / "serve.lock")) > 50


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        pytest.param(*item, id=item[0], marks=[pytest.mark.spark] if item[0] == "spark" else [])
        for item in KINDS.items()
    ],
)
def test_every_licence_is_allowed(name, kinds):
    assert refused(LOCKS / f"{name}.lock", kinds, RULES) == {}


def test_every_exception_is_needed_and_none_is_in_the_image():
    without = replace(RULES, exceptions={})
    outside = refused(LOCKS / "dev.lock", KINDS["dev"], without)
    assert set(outside) == set(RULES.exceptions)
    assert not set(outside) & set(locked(LOCKS / "serve.lock"))


def test_no_statement_is_left_over():
    bare = Rules(RULES.allowed, RULES.words)
    assert set(RULES.packages) <= set(locked(LOCKS / "dev.lock"))
    for name, licence in RULES.packages.items():
        assert stated(metadata(name), bare) != licence, f"{name} says so itself"


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("AGPL-3.0-only", False),
        ("MIT OR AGPL-3.0-only", True),
        ("MIT AND AGPL-3.0-only", False),
        ("MIT AND (AGPL-3.0-only OR Zlib)", True),
        ("MIT WITH GCC-exception-2.0", False),
    ],
)
def test_an_expression_is_read_as_spdx_means_it(expression, allowed):
    assert is_allowed(expression, {"MIT", "Zlib"}) is allowed


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License-Expression": "MIT", "License": "proprietary"}, "MIT"),
        ({"License": "Apache-2.0 OR MIT"}, "Apache-2.0 OR MIT"),
        ({"License": "MIT License"}, "MIT"),
        ({"License": "our own", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"License": "do as you like"}, None),
        ({"Classifier": "License :: Other/Proprietary License"}, None),
        ({}, None),
    ],
)
def test_a_licence_is_read_from_old_and_new_metadata(fields, licence):
    package = Message()
    for name, value in ({"Name": "something"} | fields).items():
        package[name] = value
    assert stated(package, RULES) == licence


def test_several_classifiers_all_count():
    package = Message()
    package["Name"] = "something"
    for word in ("MIT License", "GNU General Public License v2 (GPLv2)"):
        package["Classifier"] = f"License :: OSI Approved :: {word}"
    assert stated(package, RULES) == "MIT AND GPL-2.0-only"


def test_an_unknown_licence_is_refused(tmp_path):
    lock = tmp_path / "some.lock"
    lock.write_text("huey==3.0 \\\n    --hash=sha256:0\npillow==1\n")
    assert refused(lock, ("image",), Rules({"image": ["MIT"]})) == {
        "huey": "unknown",
        "pillow": "MIT-CMU",
    }
