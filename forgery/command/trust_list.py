"""`forgery trust-list`: whose signatures on content credentials are trusted."""

from pathlib import Path

import click

from forgery.command.exits import Failure
from forgery_pyfunc.errors import ForgeryError


@click.command("trust-list")
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
def trust_list(folder: Path | None) -> None:
    """List the certificates that are trusted on content credentials, and until when.

    FOLDER is another list, to be looked at before C2PA_TRUST_LIST names it.
    """
    from forgery.evidence.facts.trust_list import certificates, read_trust_list, trust_list_folder

    try:
        found = read_trust_list(folder or trust_list_folder())
        rows = [
            (until, role, name)
            for role, text in (("signer", found.signers), ("time", found.times))
            for name, until in certificates(text)
        ]
    except ForgeryError as error:
        raise Failure(str(error)) from error
    for until, role, name in rows:
        click.echo(f"{role:7} until {until}  {name}")
    click.echo(f"{len(rows)} certificates in {click.format_filename(found.folder)}", err=True)
