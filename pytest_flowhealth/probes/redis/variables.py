"""The application's variables about Redis: from its `.env` files, the environment, its start script.

A later source in this order takes precedence, as with ``node --env-file`` and in a shell.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_flowhealth.config.files import is_absent, read_text
from pytest_flowhealth.errors import CheckFailed, FlowHealthError
from pytest_flowhealth.probes.env_files import read_env_file
from pytest_flowhealth.probes.redis.packages import depends_on, find_client

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target

URLS = ("REDIS_URL", "REDIS_URI", "VALKEY_URL")
"""Variables with a whole address."""

OTHER_URLS = ("REDIS_TLS_URL", "REDISCLOUD_URL", "REDIS_CONNECTION_STRING")
"""Variables with a whole address that hosting services set in addition."""

PARTS = {
    "host": ("REDIS_HOST", "REDIS_HOSTNAME", "REDISHOST", "VALKEY_HOST"),
    "port": ("REDIS_PORT", "REDISPORT", "VALKEY_PORT"),
    "socket": ("REDIS_SOCKET", "REDIS_SOCKET_PATH", "REDIS_UNIX_SOCKET"),
    "password": ("REDIS_PASSWORD", "REDIS_PASS", "REDISPASSWORD", "VALKEY_PASSWORD"),
    "username": ("REDIS_USERNAME", "REDIS_USER", "REDISUSER"),
    "database": ("REDIS_DB", "REDIS_DATABASE", "REDIS_DB_INDEX"),
    "tls": ("REDIS_TLS", "REDIS_SSL", "REDIS_USE_TLS", "REDIS_TLS_ENABLED"),
}
"""Variables with a part of an address."""

CASCADING = ("next", "nuxt", "vite", "astro", "gatsby", "react-scripts", "dotenv-flow")
"""npm packages that read `.env.local` and the files of a mode besides `.env`."""

_NAMES = frozenset({*URLS, *OTHER_URLS, *(name for group in PARTS.values() for name in group)})
_ADDRESS = re.compile(r"(?:rediss?|valkeys?)://", re.IGNORECASE)
_PLACE = re.compile(r"(?:REDIS|VALKEY)\w*(?:URL|URI|HOST|PORT|ENDPOINT|ADDR|SENTINELS?|NODES)\Z")
_TOOLS = re.compile(r"FLOWHEALTH_|INSIGHT|COMMANDER|EXPORTER|REST_URL|_TCP|_UDP")
_ENV_FILE = re.compile(
    r"--env-file(?:-if-exists)?(?:=|\s+)(\S+)|\b(?:dotenvx?|env-cmd)\b.*?\s-[ef]\s+(\S+)"
)
_PREFIXES = frozenset({"cross-env", "env", "export", "&&"})


class Variable(NamedTuple):
    """A variable's value, and where it is set ("environment", ".env")."""

    value: str
    place: str


Variables = Mapping[str, Variable]


def read_variables(target: Target, environ: Mapping[str, str]) -> tuple[Variables, str]:
    """Return the variables about Redis, and why an `.env` file can't be read ("" if it can).

    If none of the files that the application is known to read, the environment and the start script
    has any, those of the other usual files are returned.
    """
    found, problem = _read_files(target, _known_files(target, environ))
    found |= _select(environ, "environment")
    found |= _select(read_assignments(_start_script(target)), "package.json start")
    if not found and not problem:
        found, problem = _read_files(target, _usual_files(target, environ))
    return found, problem


def read_local_file(target: Target) -> Variables:
    """Return the variables of `.env.local`, which some tools read and others do not."""
    return _read_files(target, [target.root / ".env.local"])[0]


def names_a_redis(name: str, value: str) -> bool:
    """Return whether a variable says where a Redis is."""
    if _TOOLS.search(name):
        return False
    return bool(_ADDRESS.match(value) or (_PLACE.search(name) and not value.startswith("http")))


def is_redis_url(value: str) -> bool:
    """Return whether a value is a whole address, by its scheme."""
    return _ADDRESS.match(value) is not None


def read_assignments(script: str) -> dict[str, str]:
    """Return the variables that a command line sets before its program: ``A=1 B=2 node app.js``."""
    try:
        words = shlex.split(script)
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for word in words:
        name, assigns, value = word.partition("=")
        if assigns and name.isidentifier():
            # Another variable, or the output of a command, is not known here.
            found |= {} if "$" in value or "`" in value else {name: value}
        elif word not in _PREFIXES:
            break
    return found


def _select(variables: Mapping[str, str], place: str) -> dict[str, Variable]:
    return {
        name: Variable(value.strip(), place)
        for name, value in variables.items()
        if value.strip() and (name in _NAMES or names_a_redis(name, value.strip()))
    }


def _read_files(target: Target, paths: Iterable[Path]) -> tuple[dict[str, Variable], str]:
    found: dict[str, Variable] = {}
    problem = ""
    for path in paths:
        try:
            # A Node process is started only for a file that mentions Redis.
            if not is_absent(path) and re.search("(?i)redis|valkey", read_text(path)):
                found |= _select(read_env_file(path), os.path.relpath(path, target.root))
        except FlowHealthError as error:
            problem = error.message
    return found, problem


def _known_files(target: Target, environ: Mapping[str, str]) -> list[Path]:
    """Return the files that the project's scripts name, otherwise `.env` and its variants."""
    scripts = _scripts(target)
    for script in sorted(scripts, key=lambda name: (name != "start", name != "serve")):
        named = [first or second for first, second in _ENV_FILE.findall(scripts[script])]
        if named:
            return [target.root / shlex.split(name)[0] for name in named]
    variants = _variants(target, environ) if depends_on(target, CASCADING) else []
    return [target.root / ".env", *variants]


def _usual_files(target: Target, environ: Mapping[str, str]) -> list[Path]:
    """Return other files that may hold the application's variables."""
    try:
        folders = [package.path for package in target.packages if find_client(package.manifest)]
    except CheckFailed:
        folders = []
    return [*(folder / ".env" for folder in folders), *_variants(target, environ)]


def _variants(target: Target, environ: Mapping[str, str]) -> list[Path]:
    mode = environ.get("NODE_ENV") or "development"
    return [target.root / f".env.{name}" for name in (mode, "local", f"{mode}.local")]


def _scripts(target: Target) -> Mapping[str, str]:
    try:
        return target.manifest.scripts
    except CheckFailed:
        return {}


def _start_script(target: Target) -> str:
    return _scripts(target).get("start", "")
