"""What is installed beside this interpreter, as JSON on standard output.

`deploy/sbom.py` has an image's own Python run this file, which therefore needs the standard library
only, and no file of this project.
"""

import json
import platform
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

DEBIAN_FIELDS = ("Package", "Version", "Architecture", "source:Package", "source:Version")


def python_packages() -> list[dict[str, Any]]:
    """Return the packages of this environment and of the Python that it was made from.

    `boms` are a package's own documents on the libraries in it (PEP 770).
    """
    places = sysconfig.get_path("purelib", vars={"base": sys.base_prefix})
    found: dict[str, Distribution] = {}
    for package in distributions(path=[*dict.fromkeys([*sys.path, places])]):
        found.setdefault(package.metadata["Name"], package)
    return [
        {"metadata": package.read_text("METADATA"), "boms": list(_boms(package))}
        for package in found.values()
    ]


def debian_packages() -> list[dict[str, str]]:
    """Return Debian's packages that are installed."""
    row = "\t".join(f"${{{name}}}" for name in ("db:Status-Status", *DEBIAN_FIELDS))
    command = ["dpkg-query", "--show", f"--showformat={row}\n"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split("\t") for line in lines]
    return [dict(zip(DEBIAN_FIELDS, r[1:], strict=True)) for r in rows if r[0] == "installed"]


def _boms(package: Distribution) -> list[str]:
    files = [file for file in package.files or [] if file.parent.name == "sboms"]
    return [Path(str(file.locate())).read_text("utf-8") for file in files]


if __name__ == "__main__":
    system = platform.freedesktop_os_release()
    inventory = {
        "system": {"name": system["ID"], "version": system["VERSION_ID"]},
        "python": platform.python_version(),
        "python_packages": python_packages(),
        "debian_packages": debian_packages(),
    }
    json.dump(inventory, sys.stdout)
