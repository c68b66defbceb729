"""Remove personal data and secrets from a text, by their form and by known values.

Sender and receiver both do it: the sender knows its own names, the receiver trusts no sender. Every
pattern takes time in proportion to the text, and scrubbing twice changes nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable

from pytest_flowhealth.domain.text import HIDDEN, Redactor

HOME, USER, HOST, MAIL, ADDRESS, ID = "~", "<user>", "<host>", "<mail>", "<address>", "<id>"
"""The replacements; secrets are replaced by `domain.text.HIDDEN`."""

NOBODY = frozenset(
    {
        *("admin", "administrator", "app", "build", "builder", "circleci", "container", "docker"),
        *("git", "github", "gitlab", "jenkins", "localhost", "node", "nobody", "npm", "root"),
        *("runner", "service", "test", "travis", "ubuntu", "user", "vagrant", "www", "www-data"),
    }
)
"""Common names of users and hosts: they identify nobody, and occur in ordinary text."""

_LOOPBACK = frozenset({"127.0.0.1", "0.0.0.0", "::1", "::", "localhost"})  # noqa: S104  # not bound

_END = r"(?=[\s/\\'\"<>:;,)\]}&?#]|$)"
_NAME = r"[^\s/\\'\"<>:;,)\]}&?#]"
_HOMES = re.compile(
    rf"/(?:home|Users|(?:export|usr|var)/home)/{_NAME}++"
    rf"|(?<![\w.~-])/root{_END}"
    rf"|\b[A-Za-z]:[\\/]{{1,2}}(?:Users|Documents and Settings)[\\/]{{1,2}}"
    rf"(?:[^\\/\r\n'\"<>:;,]{{1,64}}(?=[\\/])|{_NAME}++)"
    r"|%2F(?:home|Users)%2F[^%\s/&'\"]++",
    re.IGNORECASE,
)
_PEM = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_AUTHORIZATION = re.compile(r"((?:authorization|cookie)[\"']?\s{0,3}[:=])[^\r\n]+", re.IGNORECASE)
_BASIC = re.compile(
    r"\b(basic\s{1,3})(?=[\w+/-]{0,200}(?:[0-9=]|(?-i:[a-z][A-Z])))[\w+/=-]{6,}+", re.IGNORECASE
)
_FLAG = re.compile(
    r"(?<![\w-])(--?(?:password|passwd|pass|passphrase|secret|token|otp|auth|api-?key)\s{1,3})(?!-)\S++",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer\s{1,3})[\w.~+/=-]{6,}+", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"((?:password|passwd|passphrase|(?<=_)pass|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"credential|_auth|_password)[\w.-]{0,30}+[\"']?\s{0,3}[:=]\s{0,3})"
    r"(?:\"[^\"\r\n]*+\"|'[^'\r\n]*+'|[^\s,;&'\"])++",
    re.IGNORECASE,
)
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"npm_[A-Za-z0-9]{16,}+|gh[a-z]_[A-Za-z0-9]{16,}+|github_pat_\w{16,}+|gl[a-z]{2,6}-[\w-]{16,}+"
    r"|xox[a-z]-[\w-]{10,}+|[sr]k[-_][\w-]{16,}+|A[A-Z]{3}[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[\w-]{30,}+"
    r"|eyJ[\w-]{6,}+(?:\.[\w-]*+){1,4})"
)
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)(?!~)([^\s/?#'\"<>]++)")
_NPMRC = re.compile(r"(?<![:/])//[^\s/'\"<>]++(?=/[^\s=]{0,200}:_)")
_LOOKED_UP = re.compile(r"\b(ENOTFOUND|EAI_AGAIN)(\s{1,3})(?!getaddrinfo)[\w.-]++")
_NAMED = re.compile(r"(\bhost(?:name)?[\"']?\s{0,2}[:=]\s{0,2}[\"']?)([\w.-]++)", re.IGNORECASE)
_SSH = re.compile(r"(\bgit@)[\w.-]++(?=[:/])")
_ALTERNATIVE = re.compile(r"(\bDNS:)[\w.*-]++")
_SHARE = re.compile(r"(?<![\\:])\\\\(?![?.\\])[\w.-]{2,64}+\\[^\s\"'<>]*+")
_REMOTE = re.compile(
    r"(\b(?:ssh|scp|rsync|sftp)\s(?:[^\r\n@]{0,80}\s)?)[\w.-]{1,64}@[\w.-]++", re.IGNORECASE
)
# Of endings that files have too (.sh, .in, .pl) none, and of others only three names or more: socket.io.
_COUNTRY = re.compile(
    r"(?<![\w@./-])(?:[\w-]{1,63}+\.){2,8}(?:ai|app|at|au|be|biz|br|ca|ch|cloud|cn|co|cz|de|dev|dk|eu|"
    r"fi|fr|ie|info|io|it|jp|kr|me|nl|no|nz|pt|ru|se|tech|uk|us|xyz)(?![\w-]|\.\w)",
    re.IGNORECASE,
)
_DOMAIN = re.compile(
    r"(?<![\w@./-])(?:[\w-]{1,63}+\.){1,8}(?:com|org|net|edu|gov|mil|internal|intranet|local|"
    r"localdomain|lan|corp|home|arpa)(?![\w-]|\.\w)"
    r"|\bip-\d{1,3}-\d{1,3}-\d{1,3}-\d{1,3}(?!\d)",
    re.IGNORECASE,
)
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@(?!\d{1,9}\.\d)(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,}+")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)")
# What stands before one may end with a colon (`addr:2001:db8::1`), and one may be followed by one.
_IPV6 = re.compile(r"(?:(?<!\w)|(?=:))[0-9A-Fa-f:]{2,45}+(?:%\w{1,20})?(?!\w)")
_MAC = re.compile(r"(?<![0-9A-Fa-f:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5,7}(?![0-9A-Fa-f:-])")
_UUID = re.compile(
    r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Fa-f])"
)
_HEX = re.compile(r"[0-9A-Fa-f]{32,}+")
_LONG = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{24,}+")
_BETWEEN = re.compile(r"[+/_=-]+")
# A word has a vowel among its first letters, wherever it begins with a capital.
_WORDS = re.compile(
    r"(?:[A-Z]{0,6}+(?=[a-z]{0,3}[aeiouy])[a-z]{2,}+|[A-Z]{2,}+(?![a-z]))*+\d{0,4}+\Z"
)
_LONGEST_WORD = 40
_ODD = 12
"""Number of characters outside of words that makes a long run a secret."""

Step = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


class Scrubber:
    """Scrubs texts.

    Args:
        secrets: Values of secrets.
        homes: Home folders.
        users: Names of users.
        hosts: Names of machines.
    """

    def __init__(
        self,
        secrets: Iterable[str] = (),
        homes: Iterable[str] = (),
        users: Iterable[str] = (),
        hosts: Iterable[str] = (),
    ) -> None:
        self._redact = Redactor(secrets)
        self._first = _known_names(
            sorted(homes, key=len, reverse=True), HOME, r"(?![\w.-])", shortest=4
        )
        self._last = [
            *_known_names(sorted(hosts, key=len, reverse=True), HOST, r"(?![A-Za-z0-9])"),
            *_known_names(sorted(users, key=len, reverse=True), USER, r"(?![A-Za-z0-9])"),
        ]

    def __call__(self, text: str) -> str:
        """Return the scrubbed text."""
        text = self._redact(text)
        for pattern, replacement in (*self._first, *_STEPS, *self._last):
            text = pattern.sub(replacement, text)
        return text


def _known_names(
    names: Iterable[str], replacement: str, after: str, shortest: int = 3
) -> list[Step]:
    before = r"(?<![A-Za-z0-9])" if replacement != HOME else ""
    return [
        (re.compile(f"{before}{re.escape(name)}{after}", re.IGNORECASE), replacement)
        for name in names
        if len(name) >= shortest and name.lower() not in NOBODY
    ]


def _replace_host(match: re.Match[str]) -> str:
    """Return a URL without its credentials and its host; the port stays."""
    place = match[2].rpartition("@")[2]
    name, colon, port = place.rpartition(":")
    if not (colon and port.isascii() and port.isdigit()):
        name, port = place, ""
    host = name if name.strip("[]").lower() in _LOOPBACK else HOST
    return f"{match[1]}{host}{f':{port}' if port else ''}"


def _replace_named_host(match: re.Match[str]) -> str:
    return match[0] if match[2].lower() in _LOOPBACK else f"{match[1]}{HOST}"


def _replace_ipv4(match: re.Match[str]) -> str:
    text = match[0]
    return ADDRESS if _is_address(text) and text not in _LOOPBACK else text


def _replace_ipv6(match: re.Match[str]) -> str:
    """Replace an IPv6 address, which may have a colon before or after it."""
    text = match[0]
    if text.count(":") < 2:
        return text
    for begin, end in ((0, 0), (0, 1), (1, 0), (1, 1)):
        before, after = text[:begin], text[len(text) - end :]
        inner = text[begin : len(text) - end]
        if before in ("", ":") and after in ("", ":") and _is_address(inner):
            return text if inner in _LOOPBACK else f"{before}{ADDRESS}{after}"
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _replace_long_token(match: re.Match[str]) -> str:
    """Hide a long run of characters that is not made of words, as a path or a name is."""
    parts = _BETWEEN.split(match[0])
    odd = sum(
        len(part)
        for part in parts
        if len(part) > 3 and (len(part) > _LONGEST_WORD or not _WORDS.match(part))
    )
    return HIDDEN if odd >= _ODD else match[0]


_STEPS: tuple[Step, ...] = (
    (_PEM, HIDDEN),
    (_AUTHORIZATION, rf"\1 {HIDDEN}"),
    (_BEARER, rf"\1{HIDDEN}"),
    (_BASIC, rf"\1{HIDDEN}"),
    (_FLAG, rf"\1{HIDDEN}"),
    (_ASSIGNED, rf"\1{HIDDEN}"),
    (_TOKENS, HIDDEN),
    (_NPMRC, f"//{HOST}"),
    (_SHARE, lambda _: f"\\\\{HOST}"),
    (_REMOTE, rf"\1{USER}@{HOST}"),
    (_URL, _replace_host),
    (_HOMES, HOME),
    (_MAIL, MAIL),
    (_UUID, ID),
    (_MAC, ID),
    (_IPV4, _replace_ipv4),
    (_IPV6, _replace_ipv6),
    (_LOOKED_UP, rf"\1\2{HOST}"),
    (_NAMED, _replace_named_host),
    (_SSH, rf"\1{HOST}"),
    (_ALTERNATIVE, rf"\1{HOST}"),
    (_DOMAIN, HOST),
    (_COUNTRY, HOST),
    (_HEX, HIDDEN),
    (_LONG, _replace_long_token),
)
