"""The trust list: whose signatures on content credentials are trusted.

It is a pinned file of this package, or the folder that `C2PA_TRUST_LIST` names; never fetched.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from forgery_pyfunc.errors import ForgeryError

VARIABLE = "C2PA_TRUST_LIST"
PINNED = Path(__file__).with_name("pinned_trust_list")
SIGNERS, TIMES = "C2PA-TRUST-LIST.pem", "C2PA-TSA-TRUST-LIST.pem"
"""The file names of the C2PA conformance program: who may sign credentials, and who times."""
SIGNERS_URI, TIMES_URI = "urn:forgery:signers", "urn:forgery:times"
"""What c2pa calls the two lists: who may sign credentials, and who times."""
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


class TrustListError(ForgeryError):
    """The trust list cannot be used."""

    code = "bad_setting"


@dataclass(frozen=True)
class TrustList:
    """The certificates under which signatures and times are trusted, as PEM text."""

    folder: Path
    signers: str
    times: str

    @property
    def times_only(self) -> str:
        """Those certificates of `times` that `signers` lacks: of both lists, c2pa names either."""
        signers = set(_CERTIFICATE.findall(self.signers))
        return "\n".join(each for each in _CERTIFICATE.findall(self.times) if each not in signers)


def trust_list_folder() -> Path:
    """Return where the trust list is: what the environment names, or the pinned one."""
    named = os.environ.get(VARIABLE)
    return Path(named).absolute() if named else PINNED


def read_trust_list(folder: Path) -> TrustList:
    """Return the trust list in a folder.

    Raises:
        TrustListError: a file is missing or holds no certificate.
    """
    return TrustList(folder, _read(folder / SIGNERS), _read(folder / TIMES))


def certificates(text: str) -> list[tuple[str, str]]:
    """Return subject and last day of every certificate of a list.

    Raises:
        TrustListError: one cannot be read, or the package that reads them is not installed.
    """
    try:
        from cryptography import x509
    except ImportError as error:
        raise TrustListError(
            "cryptography is not installed: pip install 'forgery-detector[credentials]'"
        ) from error
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise TrustListError(f"{VARIABLE}: a certificate cannot be read ({error}).") from error
    return [
        (each.subject.rfc4514_string(), f"{each.not_valid_after_utc:%Y-%m-%d}") for each in found
    ]


def _read(path: Path) -> str:
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise TrustListError(
            f"{VARIABLE}: {path} cannot be read; the folder must hold {SIGNERS} and {TIMES}."
        ) from error
    if not _CERTIFICATE.search(text):
        raise TrustListError(f"{VARIABLE}: {path} holds no certificate in PEM.")
    return text
