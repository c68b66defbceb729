"""TLS towards a real Redis: each way in which it fails is named, with the option that fixes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis import RedisProbe
from tests.kit.redis import Authority, RedisServer, free_port, tls_arguments


class Tls:
    """A server with TLS that requires a client certificate unless it is told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "ca")
        self.cert, self.key = self.authority.sign("127.0.0.1")
        self.port = free_port()
        self.server = RedisServer(folder / "r", *tls_arguments(self.cert, self.key, self.port))

    @property
    def ca(self) -> str:
        return f"ssl_ca_certs={self.authority.cert}"

    def url(self, *options: str, host: str = "127.0.0.1", scheme: str = "rediss") -> str:
        return f"{scheme}://{host}:{self.port}/0?{'&'.join(options)}"

    def client(self, authority: Authority) -> str:
        cert, key = authority.sign("client")
        return f"ssl_certfile={cert}&ssl_keyfile={key}"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    found = Tls(tmp_path_factory.mktemp("tls"))
    with found.server:
        found.server.configure(tls_ca_cert_file=str(found.authority.cert))
        found.server.configure(tls_auth_clients="yes")
        yield found


def failure(url: str) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        RedisProbe(url, timeout=2.0).connect_latency(1)
    return caught.value


def test_a_client_certificate_that_is_required_is_named(tls: Tls, tmp_path: Path) -> None:
    error = failure(tls.url(tls.ca))
    assert "requires a client certificate" in error.message
    assert "ssl_certfile=" in str(error.remedy)
    assert "redis://" not in str(error.remedy)
    whole = tls.url(tls.ca, tls.client(tls.authority))
    assert RedisProbe(whole).roundtrip().refused == {}
    error = failure(tls.url(tls.ca, tls.client(Authority(tmp_path / "other"))))
    assert "rejects the client certificate" in error.message


def test_an_authority_that_is_unknown_is_named(tls: Tls) -> None:
    error = failure(tls.url())
    assert "its authority is unknown here" in error.message
    assert "redis.ca" in str(error.remedy)


def test_a_certificate_for_another_name_is_named(tls: Tls) -> None:
    error = failure(tls.url(tls.ca, host="localhost"))
    assert "it is for another name than 'localhost'" in error.message
    assert "ssl_check_hostname=false" in str(error.remedy)
    options = (tls.ca, tls.client(tls.authority), "ssl_check_hostname=false")
    RedisProbe(tls.url(*options, host="localhost")).ping()


def test_a_port_without_tls_and_one_with_it_are_told_apart(tls: Tls) -> None:
    error = failure(f"rediss://127.0.0.1:{tls.server.port}/0?{tls.ca}")
    assert "has no TLS" in error.message
    assert "write redis://, not rediss://" in str(error.remedy)
    error = failure(tls.url(scheme="redis"))
    assert "has TLS, and" in error.message
    assert "write rediss://, not redis://" in str(error.remedy)
