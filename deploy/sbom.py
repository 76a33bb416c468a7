"""Bill of materials of an image, as CycloneDX: `python -m deploy.sbom IMAGE > FILE`.

It lists Debian's packages, the Python that runs, the Python packages, and in these the libraries
that they bring and declare (PEP 770). Needs the development environment and a container engine.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from deploy.licences import Rules, stated

INVENTORY = Path(__file__).parent / "inventory.py"
LABEL = "org.opencontainers.image."


def ask(docker: str, image: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the engine says of an image, and the inventory that its Python makes.

    Raises:
        CalledProcessError: there is no such image, or no Python in it.
    """
    inspected = subprocess.run(
        [docker, "image", "inspect", image], stdout=subprocess.PIPE, check=True
    ).stdout
    command = [docker, "run", "--rm", "--interactive", "--network", "none", image, "python", "-"]
    made = subprocess.run(
        command, input=INVENTORY.read_bytes(), stdout=subprocess.PIPE, check=True
    ).stdout
    return json.loads(inspected)[0], json.loads(made)


def describe(image: dict[str, Any], inventory: dict[str, Any]) -> Bom:
    """Return the bill of materials of an image, of both answers of `ask`."""
    labels = image["Config"]["Labels"]
    whole = Component(
        name=labels[f"{LABEL}title"],
        version=labels[f"{LABEL}version"],
        type=ComponentType.CONTAINER,
        description=f"image {image['Id']} of revision {labels[f'{LABEL}revision']}",
    )
    system = inventory["system"]
    debian = [_debian(row, system) for row in inventory["debian_packages"]]
    packages = {canonicalize_name(m["Name"]): (m, boms) for m, boms in _metadata(inventory)}
    rules = Rules.read()
    python = {name: _python(m, boms, rules) for name, (m, boms) in packages.items()}
    others = [
        Component(
            name=system["name"], version=system["version"], type=ComponentType.OPERATING_SYSTEM
        ),
        Component(
            name="cpython",
            version=inventory["python"],
            type=ComponentType.APPLICATION,
            purl=PackageURL("generic", name="cpython", version=inventory["python"]),
        ),
    ]
    bom = Bom(components=[*others, *debian, *python.values()])
    bom.metadata.component = whole
    bom.register_dependency(whole, bom.components)
    for name, (metadata, _) in packages.items():
        needed = sorted(python.keys() & _required(metadata))
        bom.register_dependency(python[name], [python[other] for other in needed])
    return bom


def written(bom: Bom) -> str:
    """Return a bill of materials as JSON."""
    outputter = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6)
    return outputter.output_as_string(indent=2)


def main() -> None:
    """Print the bill of materials of the image that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", help="an image that the engine has, by name or digest")
    parser.add_argument("--docker", default="docker", help="the engine's client")
    arguments = parser.parse_args()
    try:
        answers = ask(arguments.docker, arguments.image)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"sbom: {arguments.image} cannot be asked what is in it: {error}")
    print(written(describe(*answers)))


def _metadata(inventory: dict[str, Any]) -> Iterable[tuple[Message, list[str]]]:
    for package in inventory["python_packages"]:
        yield message_from_string(package["metadata"]), package["boms"]


def _debian(row: dict[str, str], system: dict[str, str]) -> Component:
    qualifiers = {
        "arch": row["Architecture"],
        "distro": f"{system['name']}-{system['version']}",
        "upstream": f"{row['source:Package']}@{row['source:Version']}",
    }
    purl = PackageURL("deb", system["name"], row["Package"], row["Version"], qualifiers)
    return Component(
        name=row["Package"], version=row["Version"], purl=purl, bom_ref=purl.to_string()
    )


def _python(metadata: Message, boms: list[str], rules: Rules) -> Component:
    name, version = metadata["Name"], metadata["Version"]
    licence = stated(metadata, rules)
    inside = {part.purl or (part.name, part.version): part for part in _declared(name, boms)}
    purl = PackageURL("pypi", name=canonicalize_name(name), version=version)
    return Component(
        name=name,
        version=version,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=[LicenseFactory().make_from_string(licence)] if licence else None,
        components=inside.values(),
    )


def _declared(package: str, boms: list[str]) -> Iterable[Component]:
    """Yield what a package's own documents list, without the package and its modules."""
    for text in boms:
        read = Bom.from_json(json.loads(text))  # type: ignore[attr-defined]
        for part in read.components:
            if part.purl is None or canonicalize_name(part.purl.name) != canonicalize_name(package):
                yield Component(
                    name=part.name,
                    version=part.version,
                    bom_ref=f"{package}/{part.name}@{part.version}",
                    type=part.type,
                    scope=part.scope,
                    purl=part.purl,
                    licenses=part.licenses,
                )


def _required(metadata: Message) -> set[NormalizedName]:
    """Return the names of the packages that a package needs without its extras."""
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist") or []]
    return {
        canonicalize_name(requirement.name)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }


if __name__ == "__main__":
    main()
