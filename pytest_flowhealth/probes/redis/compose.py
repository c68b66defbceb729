"""What a Docker Compose file says about a project's Redis. Without PyYAML, nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_flowhealth.config.files import is_absent, read_text
from pytest_flowhealth.probes.redis.address import mask

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")

_IMAGE = re.compile(r"(?:^|/)(?:redis|valkey|keydb|dragonfly)\b", re.IGNORECASE)


def find_evidence(root: Path, names: Collection[str]) -> Iterator[str]:
    """Yield what a compose file says against the usual address, in variables of these names or ports."""
    file, services = _read_compose(root)
    for name, service in services.items():
        for variable, value in _compose_environment(service):
            if variable in names and not _is_usual(variable, value):
                yield f"{file} sets {variable}={mask(value)} for the service {name}"
        ports = [*_published_ports(service)]
        if ports and "6379" not in ports:
            yield f"{file} publishes the port {', '.join(ports)} for its Redis, the service {name}"


def _is_usual(variable: str, value: str) -> bool:
    if variable == "REDIS_PORT":
        return value == "6379"
    usual = re.fullmatch(r"(?:redis://)?(?:localhost|127\.0\.0\.1)(?::6379)?(?:/0?)?", value)
    return usual is not None or "${" in value


def describe_service(root: Path, host: str) -> str:
    """Return that a host is a service of a compose file, with its published port; otherwise ""."""
    if not re.fullmatch(r"[\w-]+", host) or host == "localhost":
        return ""
    file, services = _read_compose(root)
    if host not in services:
        return ""
    ports = [*_published_ports(services[host])]
    where = f", published here as 127.0.0.1:{ports[0]}" if ports else ", published at no port"
    return f"`{host}` is a service of {file}, known in its network only{where}"


def _read_compose(root: Path) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """Return the compose file's name and its services; none without a file or without PyYAML."""
    path = next((root / name for name in COMPOSE_FILES if not is_absent(root / name)), None)
    if path is None:
        return "", {}
    try:
        import yaml

        document = yaml.safe_load(read_text(path))
    except Exception:  # noqa: BLE001  # PyYAML is missing, or the file is not valid: no evidence
        return "", {}
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict):
        return "", {}
    return path.name, {
        str(name): service for name, service in services.items() if isinstance(service, dict)
    }


def _compose_environment(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    variables = service.get("environment")
    if isinstance(variables, dict):
        yield from ((str(name), str(value)) for name, value in variables.items())
    elif isinstance(variables, list):
        yield from (
            (pair[0], pair[2])
            for pair_text in variables
            if (pair := str(pair_text).partition("="))[1]
        )


def _published_ports(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ports of this machine at which a service that is a Redis is published."""
    if not _IMAGE.search(str(service.get("image", ""))):
        return
    for port in service.get("ports") or ():
        if isinstance(port, dict):
            if str(port.get("target")) == "6379" and port.get("published"):
                yield str(port["published"])
        elif re.fullmatch(r"(?:[\w.]+:)?\d+:6379(?:/tcp)?", str(port)):
            yield str(port).removesuffix("/tcp").split(":")[-2]
