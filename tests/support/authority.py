"""Certificates made on the spot: an authority, and whom it signs for."""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Identity:
    """A key and its certificate as PEM."""

    def __init__(self, cert, key):
        self.cert, self.key = cert, key

    def write(self, folder, name):
        """`<name>.pem` and `<name>.key`, each replaced at once but not both at once, as in the world."""
        folder = pathlib.Path(folder)
        for path, data in ((folder / f"{name}.pem", self.cert), (folder / f"{name}.key", self.key)):
            path.with_suffix(".new").write_bytes(data)
            path.with_suffix(".new").rename(path)
        return str(folder / f"{name}.pem"), str(folder / f"{name}.key")


class Authority:
    def __init__(self, name="root"):
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.cert = self._sign(self.name, self.key.public_key(), [], -DAY, 10 * DAY, is_ca=True)
        self.pem = self.cert.public_bytes(serialization.Encoding.PEM)

    def _sign(self, subject, public, names, since, until, is_ca=False, issuer=None, key=None):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or self.name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now + since).not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(key or self.key, hashes.SHA256())

    def issue(self, name, spiffe=None, is_expired=False, is_self_signed=False):
        """For this machine, and with a SPIFFE id when one is given."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        names += [x509.UniformResourceIdentifier(spiffe)] if spiffe else []
        cert = self._sign(subject, key.public_key(), names, -3 * DAY, -DAY if is_expired else 5 * DAY,
                          issuer=subject if is_self_signed else None, key=key if is_self_signed else None)
        return Identity(cert.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
