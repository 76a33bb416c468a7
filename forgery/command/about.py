"""`forgery about`: version, shipped detector, terms, and whose photographs it learnt from."""

import json

import click

from forgery import SHIPPED


@click.command()
def about() -> None:
    """Tell version, detector, terms and attribution."""
    import platform
    from importlib.metadata import version

    detector = json.loads((SHIPPED / "detector.json").read_text("utf-8"))
    data = detector["data"]
    rows = {
        "forgery-detector": f"{version('forgery-detector')}, Apache-2.0",
        "Python": platform.python_version(),
        "Shipped detector": f"{detector['name']}, trained on {data['images']} {data['name']}",
        "Terms of the data": data.get("licence", "not known to this project"),
        "Model card": SHIPPED / "model_card.md",
        "Attribution": SHIPPED / "ATTRIBUTION.md",
    }
    for name, text in rows.items():
        click.echo(f"{name:18} {text}")
