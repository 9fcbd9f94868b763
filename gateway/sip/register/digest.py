"""Digest access authentication, as the side that asks and as the side that answers (RFC 3261 22, RFC 7616, RFC 8760).

MD5, SHA-256 and SHA-512-256, with qop auth or, for old peers, without.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.errors import SipParseError
from gateway.sip.message.grammar import parse_params, quote, split_outside, unquote
from gateway.sip.message.message import Request, Response

ALGORITHMS: dict[str, str] = {"SHA-256": "sha256", "SHA-512-256": "sha512_256", "MD5": "md5"}
"""As the header names them, and hashlib; in the order in which this side offers them."""

NONCE_SECONDS = 300.0
MAX_NONCES = 10_000
"""Nonces in use that are remembered; the oldest are forgotten, and their users challenged again."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """`password` never appears in a log or a repr. `auth_user` is whom the digest names, empty for `username`."""

    username: str
    password: str = field(repr=False)
    auth_user: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a 401 or 407 asks for; `header` is the one that its answer goes into."""

    header: str
    realm: str
    nonce: str
    algorithm: str
    opaque: str
    qop: bool
    stale: bool


def challenges(response: Response) -> list[Challenge]:
    """Those that can be answered here, in the peer's order of preference (RFC 8760 section 2.4)."""
    found = []
    for asked, answered in (("WWW-Authenticate", "Authorization"), ("Proxy-Authenticate", "Proxy-Authorization")):
        for value in response.headers.all(asked):
            params = _parse(value)
            algorithm = params.get("algorithm", "MD5").upper()
            qops = [one.strip().lower() for one in params.get("qop", "").split(",") if one.strip()]
            if algorithm not in ALGORITHMS or not params.get("nonce") or (qops and "auth" not in qops):
                continue
            stale = params.get("stale", "").lower() == "true"
            found.append(
                Challenge(
                    answered, params.get("realm", ""), params["nonce"], algorithm, params.get("opaque", ""), bool(qops),
                    stale,
                )
            )  # fmt: skip
    return found


class Login:
    """The client's side towards one peer: answers its challenges, and counts how often each nonce was used."""

    def __init__(self, credentials: Credentials, token: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._credentials, self._token = credentials, token
        self._known: dict[tuple[str, str], Challenge] = {}  # by header and realm
        self._count: dict[str, int] = {}

    def take(self, response: Response, request: Request) -> bool:
        """Learn from a 401 or 407 to `request`; False where trying again cannot help."""
        new: dict[tuple[str, str], Challenge] = {}
        for one in challenges(response):
            new.setdefault((one.header, one.realm), one)
        if not new or any(self._in_vain(one, request) for one in new.values()):
            return False
        self._known.update(new)
        self._count = {one.nonce: self._count.get(one.nonce, 0) for one in self._known.values()}
        return True

    def _in_vain(self, challenge: Challenge, request: Request) -> bool:
        """The peer has just refused an answer to a new nonce of its own: another nonce changes nothing."""
        if challenge.stale:
            return False
        sent = (params for value in request.headers.all(challenge.header) if (params := _parse(value)))
        return any(
            params.get("realm") == challenge.realm and self._count.get(params.get("nonce", ""), 1) <= 1
            for params in sent
        )

    def sign(self, request: Request) -> None:
        """Put the answers to all known challenges into a request, in place of those that it has."""
        request.headers.remove("Authorization")
        request.headers.remove("Proxy-Authorization")
        for challenge in self._known.values():
            request.headers.add(challenge.header, self._answer(challenge, request))

    def _answer(self, challenge: Challenge, request: Request) -> str:
        name, uri = self._credentials.auth_user or self._credentials.username, str(request.uri)
        text = f"Digest username={quote(name)}, realm={quote(challenge.realm)}, nonce={quote(challenge.nonce)}"
        count = cnonce = ""
        self._count[challenge.nonce] += 1
        if challenge.qop:
            count, cnonce = f"{self._count[challenge.nonce]:08x}", self._token()
        response = _response(
            challenge.algorithm, name, challenge.realm, self._credentials.password, request.method, uri,
            challenge.nonce, count, cnonce,
        )  # fmt: skip
        text += f', uri="{uri}", response="{response}", algorithm={challenge.algorithm}'
        if challenge.qop:
            text += f', qop=auth, nc={count}, cnonce="{cnonce}"'
        return text + (f", opaque={quote(challenge.opaque)}" if challenge.opaque else "")


@dataclass(frozen=True, slots=True)
class DigestResult:
    """What a request proves: whose it is (`user`, empty for nobody's), or only that its nonce was old or another
    host's (`stale`). `claimed` is the known account that it names; `answers` says that it bears a nonce which was sent
    to where it comes from.
    """

    user: str = ""
    stale: bool = False
    claimed: str = ""
    answers: bool = False


class DigestAuthenticator:
    """The server's side. Nonces carry their own time and seal, so that a challenge leaves nothing behind."""

    def __init__(self, realm: str, users: Mapping[str, Credentials]) -> None:
        self.realm, self.users = realm, dict(users)
        self._secret = secrets.token_bytes(32)
        self._used: OrderedDict[str, int] = OrderedDict()  # the highest count of each nonce

    def challenge(self, response: Response, now: float, host: str, stale: bool = False) -> None:
        """Ask `host` for a name and a password: a header for each algorithm, the strongest first."""
        nonce = self._nonce(f"{now:.0f}.{secrets.token_hex(6)}", host)
        header = "Proxy-Authenticate" if response.status == 407 else "WWW-Authenticate"
        for algorithm in ALGORITHMS:
            response.headers.add(
                header,
                f'Digest realm={quote(self.realm)}, nonce="{nonce}", qop="auth", algorithm={algorithm}'
                + (", stale=true" if stale else ""),
            )

    def verify(self, request: Request, now: float, host: str) -> DigestResult:
        """What a request that came from `host` proves."""
        verdict = DigestResult()
        for value in [*request.headers.all("Authorization"), *request.headers.all("Proxy-Authorization")]:
            params = _parse(value)
            user = self.users.get(params.get("username", ""))
            algorithm = params.get("algorithm", "MD5").upper()
            if params.get("realm") != self.realm or algorithm not in ALGORITHMS:
                continue
            nonce, count = params.get("nonce", ""), params.get("nc", "")
            answers = verdict.answers or self._is_ours(nonce, host)
            if user is None:
                verdict = DigestResult(answers=answers)
                continue
            expected = _response(
                algorithm, user.username, self.realm, user.password, request.method, params.get("uri", ""), nonce,
                count, params.get("cnonce", ""),
            )  # fmt: skip
            if params.get("qop") != "auth" or not hmac.compare_digest(
                expected.encode(), params.get("response", "").lower().encode()
            ):
                verdict = DigestResult(claimed=user.username, answers=answers)
                continue
            fresh = self._is_ours(nonce, host) and self._fresh(nonce, count, now)
            return DigestResult(user.username if fresh else "", not fresh, user.username, answers)
        return verdict

    def _is_ours(self, nonce: str, host: str) -> bool:
        """It was sent to that host: who answers with it does get what is sent there."""
        stamp, _, seal = nonce.rpartition(".")
        return bool(seal) and hmac.compare_digest(self._nonce(stamp, host).encode(), nonce.encode())

    def _fresh(self, nonce: str, count: str, now: float) -> bool:
        if now - float(nonce.partition(".")[0]) > NONCE_SECONDS:
            return False
        try:
            number = int(count, 16)
        except ValueError:
            return False
        if number <= self._used.get(nonce, 0):
            return False
        self._used[nonce] = number
        self._used.move_to_end(nonce)
        if len(self._used) > MAX_NONCES:
            self._used.popitem(last=False)
        return True

    def _nonce(self, stamp: str, host: str) -> str:
        return f"{stamp}.{hmac.new(self._secret, f'{stamp} {host}'.encode(), hashlib.sha256).hexdigest()[:32]}"


def _response(
    algorithm: str, name: str, realm: str, password: str, method: str, uri: str, nonce: str, count: str, cnonce: str
) -> str:
    """The request-digest of RFC 7616 section 3.4.1; without `count` that of RFC 2069."""

    def digest(text: str) -> str:
        return hashlib.new(ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()

    secret, asked = digest(f"{name}:{realm}:{password}"), digest(f"{method}:{uri}")
    return digest(f"{secret}:{nonce}:{count}:{cnonce}:auth:{asked}" if count else f"{secret}:{nonce}:{asked}")


def _parse(value: str) -> dict[str, str]:
    """The parameters of a Digest challenge or answer, unquoted; empty for another scheme or for nonsense."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        return {}
    try:
        return {name: unquote(text) for name, text in parse_params(split_outside(rest, ",")).items()}
    except SipParseError:
        return {}
