"""Pictures with content credentials, signed by certificates that are made here."""

import datetime
import functools
import io
from dataclasses import dataclass
from pathlib import Path

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from forgery.evidence.facts.trust_list import SIGNERS, TIMES

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SETTINGS = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_after_sign": False}}
NO_USE = dict.fromkeys(
    (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@dataclass(frozen=True)
class Signer:
    """Somebody who signs pictures, and the PEM under which the signature can be trusted."""

    info: c2pa.C2paSignerInfo
    root: bytes

    def trust_list(self, folder: Path) -> Path:
        """A trust list with this signer's root alone."""
        folder.mkdir()
        for name in (SIGNERS, TIMES):
            (folder / name).write_bytes(self.root)
        return folder

    def sign(
        self,
        data: bytes,
        source_type: str = "digitalCapture",
        *,
        parent: bytes | None = None,
        remote_url: str | None = None,
        embedded: bool = True,
        media_type: str = "image/jpeg",
    ) -> bytes:
        """The picture with content credentials: as created, or as edited from its parent."""
        created = {"action": "c2pa.created", "digitalSourceType": IPTC + source_type}
        edited = {"action": "c2pa.edited", "softwareAgent": {"name": "Editor 5"}}
        actions = {"actions": [created if parent is None else edited]}
        stated = {
            "claim_generator_info": [{"name": "Camera app", "version": "3"}],
            "title": "picture.jpg",
            "assertions": [{"label": "c2pa.actions.v2", "data": actions}],
        }
        builder = c2pa.Builder(stated, c2pa.Context.from_dict(SETTINGS))
        if parent is not None:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            ingredient = {"title": "before.jpg", "relationship": "parentOf"}
            builder.add_ingredient(ingredient, media_type, io.BytesIO(parent))
        if remote_url:
            builder.set_remote_url(remote_url)
        if not embedded:
            builder.set_no_embed()
        output = io.BytesIO()
        builder.sign(c2pa.Signer.from_info(self.info), media_type, io.BytesIO(data), output)
        return output.getvalue()


@functools.cache
def signer(name: str) -> Signer:
    """A signer with a certificate of an authority of its own."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate(f"{name} root", f"{name} root", root_key, root_key)
    certificate = _certificate(name, f"{name} root", key, root_key)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (certificate, root))
    info = c2pa.C2paSignerInfo(b"es256", chain, private, None)
    return Signer(info, root.public_bytes(serialization.Encoding.PEM))


def _certificate(subject: str, issuer: str, key, signing_key) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    is_root = subject == issuer
    usage = {"digital_signature": not is_root, "key_cert_sign": is_root, "crl_sign": is_root}
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(is_root, None), True)
        .add_extension(x509.KeyUsage(**NO_USE, **usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False
        )
    )
    if not is_root:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, False)
    return builder.sign(signing_key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def without_credentials(jpeg: bytes) -> bytes:
    """The JPEG without the segments (APP11) in which its content credentials are."""
    kept, position = [jpeg[:2]], 2
    while jpeg[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if jpeg[position + 1] != 0xEB:
            kept.append(jpeg[position:end])
        position = end
    return b"".join([*kept, jpeg[position:]])
