"""Real slapds on loopback, with a certificate authority of their own and people to find."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_plugin_auth_ldap.names import escaped

from hub import Address
from hub.testing.contracts.directory import PASSWORD, WORLD, World
from hub.testing.ports import free_port

PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/sbin:/bin"
PROGRAM = shutil.which("slapd", path=PATH)
SUFFIX = "dc=example,dc=test"
ADMIN = (f"cn=admin,{SUFFIX}", "admin-secret")
HUB = (f"cn=hub,{SUFFIX}", "hub-secret")
SCHEMA = """
attributetype ( 1.3.6.1.4.1.4203.666.1.1 NAME 'mailQuota' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.1.2 NAME 'mailEnabled' EQUALITY booleanMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.4203.666.2.1 NAME 'hubPerson' SUP top AUXILIARY MAY ( mailQuota $ mailEnabled ) )
"""
BASE = f"""
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {HUB[0]}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: hub
userPassword: {HUB[1]}

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people

dn: ou=lists,{SUFFIX}
objectClass: organizationalUnit
ou: lists

dn: ou=groups,{SUFFIX}
objectClass: organizationalUnit
ou: groups
"""


def person(uid: str, mail: str, password: str = PASSWORD, **more: str | list[str]) -> str:
    """An entry as LDIF."""
    lines = [f"dn: uid={escaped(uid)},ou=people,{SUFFIX}"]
    lines += [f"objectClass: {each}" for each in ("inetOrgPerson", "inetLocalMailRecipient", "hubPerson")]
    lines += [f"uid: {uid}", f"sn: {uid}", f"mail: {mail}", f"userPassword: {password}"]
    for name, values in {"cn": uid, **more}.items():
        lines += [f"{name}: {value}" for value in ([values] if isinstance(values, str) else values)]
    return "\n".join(lines) + "\n\n"


def alias(address: str, *targets: str) -> str:
    """A `nisMailAlias` as LDIF."""
    lines = [f"dn: cn={escaped(address)},ou=lists,{SUFFIX}", "objectClass: nisMailAlias"]
    lines += ["objectClass: inetLocalMailRecipient", f"cn: {address}", f"mailLocalAddress: {address}"]
    return "\n".join([*lines, *(f"rfc822MailMember: {target}" for target in targets)]) + "\n\n"


def group(cn: str, *members: str, mail: str = "") -> str:
    """A `groupOfNames` as LDIF; with an address it is a list."""
    lines = [f"dn: cn={cn},ou=groups,{SUFFIX}", "objectClass: groupOfNames"]
    if mail:
        lines += ["objectClass: inetLocalMailRecipient", f"mailLocalAddress: {mail}"]
    lines.append(f"cn: {cn}")
    return "\n".join([*lines, *(f"member: {member}" for member in members)]) + "\n\n"


def dn_of(uid: str) -> str:
    """Where a person's entry is."""
    return f"uid={escaped(uid)},ou=people,{SUFFIX}"


def in_ascii(address: Address) -> str:
    """As it stands in an IA5String."""
    return str(Address(address.local, address.ascii_domain))


def ldif(world: World) -> str:
    """What the contract wants to be there; a person of another domain has a uid with it."""
    text = ""
    for each in world.people:
        uid = each.address.local if each.address.domain == "example.test" else in_ascii(each.address)
        more = {"cn": each.name, "mailEnabled": str(each.enabled).upper()}
        if each.quota is not None:
            more["mailQuota"] = str(each.quota)
        text += person(uid, in_ascii(each.address), **more)
    for entry in world.aliases:
        text += alias(in_ascii(entry.address), *map(in_ascii, entry.targets))
    return text


# A search below the suffix is told of it, and so are nearly all tests.
REFERRAL = f"""
dn: cn=far,ou=people,{SUFFIX}
objectClass: referral
objectClass: extensibleObject
cn: far
ref: ldap://127.0.0.1:1/cn=far,{SUFFIX}

"""
ENTRIES = (
    BASE
    + "\n"
    + ldif(WORLD)
    + person("robert", "robert@example.test", mailLocalAddress=["bobby@example.test"], mailQuota="2 MB")
    + person("ursel", "ursel@example.test", "pässwörd")
    + person("twin", "twin@example.test", mailLocalAddress="same@example.test")
    + person("other,o=x", "twin2@example.test", mailLocalAddress="twin@example.test")
    + person("erin", "erin@example.test", "demo")
    + person("moved", "moved@elsewhere.test", mailLocalAddress="moved@example.test")
    + REFERRAL
    + group("far", dn_of("bob"), f"cn=someone,cn=far,ou=people,{SUFFIX}", mail="far@example.test")
    + group("mail", dn_of("alice"), dn_of("dora"), dn_of("other,o=x"))
    + group("board", dn_of("bob"), f"cn=mail,ou=groups,{SUFFIX}", mail="board@example.test")
    + group(
        "staff", dn_of("robert"), f"cn=board,ou=groups,{SUFFIX}", dn_of("gone"), mail="staff@example.test"
    )
)


class Certificates:
    """An authority, and certificates of its making, by openssl."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca = folder / "ca.pem"
        self._openssl(
            f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=CA "
            f"-keyout {folder}/ca.key -out {self.ca}"
        )

    def make(self, name: str, san: str) -> tuple[Path, Path]:
        """A certificate and its key. san: such as `DNS:localhost` or `IP:127.0.0.1`."""
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={san}\n")
        self._openssl(
            f"req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} "
            f"-keyout {key} -out {self._folder}/{name}.csr"
        )
        self._openssl(
            f"x509 -req -in {self._folder}/{name}.csr -CA {self.ca} -CAkey {self._folder}/ca.key "
            f"-days 2 -extfile {extensions} -out {certificate}"
        )
        return certificate, key

    def _openssl(self, command: str) -> None:
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)


class Slapd:
    """The daemon, to be stopped and started again at the same ports with the same entries."""

    def __init__(self, folder: Path, certificates: Certificates, certificate: tuple[Path, Path]) -> None:
        self.port, self.tls_port = free_port(), free_port()
        self.ca = certificates.ca
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "db").mkdir()
        schemas = "".join(
            f"include /etc/ldap/schema/{name}.schema\n"
            for name in ("core", "cosine", "inetorgperson", "misc")
        )
        (folder / "slapd.conf").write_text(
            f"{schemas}{SCHEMA}modulepath /usr/lib/ldap\nmoduleload back_mdb.so\n"
            f"TLSCACertificateFile {certificates.ca}\n"
            f"TLSCertificateFile {certificate[0]}\nTLSCertificateKeyFile {certificate[1]}\n"
            f"database mdb\nmaxsize 16777216\nsuffix {SUFFIX}\nrootdn {ADMIN[0]}\nrootpw {ADMIN[1]}\n"
            f"directory {folder}/db\nindex objectClass,mail,mailLocalAddress,uid,member eq\ndbnosync\n"
            # Who looks up reads all but passwords; others read nothing but themselves.
            f"access to attrs=userPassword by anonymous auth by * none\n"
            f'access to * by dn.exact="{HUB[0]}" read by self read by anonymous auth by * none\n'
        )

    @property
    def url(self) -> str:
        """Where StartTLS works."""
        return f"ldap://localhost:{self.port}"

    @property
    def tls_url(self) -> str:
        """Where TLS begins at once."""
        return f"ldaps://localhost:{self.tls_port}"

    def settings(self, **more: object) -> dict[str, object]:
        """`[plugins.auth-ldap]` for this server."""
        common: dict[str, object] = {
            "servers": [self.url],
            "ca_file": str(self.ca),
            "bind_dn": HUB[0],
            "bind_password": HUB[1],
            "base": SUFFIX,
            "domains": list(WORLD.domains),
            "people": {"aliases": ["mailLocalAddress"], "quota": "mailQuota", "enabled": "mailEnabled"},
            "lists": {
                "filter": "(|(objectClass=nisMailAlias)(&(objectClass=groupOfNames)(mailLocalAddress=*)))",
                "addresses": ["mailLocalAddress"],
                "members": ["member", "rfc822MailMember"],
            },
        }
        return common | more

    def start(self) -> None:
        """Return when it answers."""
        assert PROGRAM is not None
        log = self._folder / "slapd.log"
        listen = f"ldap://localhost:{self.port}/ ldaps://localhost:{self.tls_port}/"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [PROGRAM, "-d", "0", "-f", str(self._folder / "slapd.conf"), "-h", listen],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        deadline = time.monotonic() + 60
        while not self.answers():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def answers(self) -> bool:
        """Whether somebody listens."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def load(self, ldif: str) -> None:
        """Put entries in; offline, before the start."""
        program = shutil.which("slapadd", path=PATH)
        assert program is not None
        self._run([program, "-q", "-f", str(self._folder / "slapd.conf")], ldif)

    def change(self, ldif: str) -> None:
        """What `ldapmodify` is told."""
        bind = ["-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", ADMIN[0], "-w", ADMIN[1]]
        self._run(["ldapmodify", *bind], ldif)

    def _run(self, command: list[str], text: str) -> None:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """One authority for all servers."""
    if PROGRAM is None:
        pytest.skip("no slapd here: tests/peers/install.sh installs it")
    with tempfile.TemporaryDirectory(prefix="slapd-ca-") as folder:
        yield Certificates(Path(folder))


@pytest.fixture(scope="session")
def running_slapd(certificates: Certificates) -> Iterator[Slapd]:
    """One for all tests that change nothing in it."""
    with tempfile.TemporaryDirectory(prefix="slapd-") as folder:
        slapd = Slapd(Path(folder), certificates, certificates.make("localhost", "DNS:localhost"))
        slapd.load(ENTRIES)
        try:
            slapd.start()
            yield slapd
        finally:
            slapd.stop()


@pytest.fixture
def slapd(running_slapd: Slapd) -> Iterator[Slapd]:
    """Running when the test begins, and again when it has ended."""
    yield running_slapd
    if not running_slapd.answers():
        running_slapd.start()
