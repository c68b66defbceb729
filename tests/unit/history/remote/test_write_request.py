"""What a remote write contains, and where it goes."""

import datetime

import cramjam
import pytest

from pytest_flowhealth.domain.metric_names import Sample
from pytest_flowhealth.history.remote.promql_client import make_read_url
from pytest_flowhealth.history.remote.write_client import make_write_url, parse_retry_after
from pytest_flowhealth.history.remote.write_request import (
    _write_request,
    encode_request,
    encode_requests,
)


def test_requests_are_bounded_in_size() -> None:
    many = [Sample("x", (("n", str(n)),), 1.0, 1_000.0) for n in range(12_000)]
    sizes = [len(body) for body in encode_requests(many)]

    assert len(sizes) == 3
    assert max(sizes) < 2**20


def test_labels_are_sorted_and_none_is_empty() -> None:
    sample = Sample("x", (("z", "1"), ("a", "\ud800"), ("empty", "")), 2.5, 1_000.0004)
    request = _write_request()()
    request.ParseFromString(bytes(cramjam.snappy.decompress_raw(encode_request([sample]))))

    (series,) = request.timeseries
    assert [(label.name, label.value) for label in series.labels] == [
        ("__name__", "x"),
        ("a", "\\ud800"),
        ("z", "1"),
    ]
    assert [(point.value, point.timestamp) for point in series.samples] == [(2.5, 1_000_000)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0.0),
        ("7", 7.0),
        ("Thu, 01 Jan 2026 00:00:05 GMT", 5.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:00:05", 0.0),
        ("soon", 0.0),
        ("\xb2", 0.0),
        ("9" * 400, 1e12 - 1),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float) -> None:
    assert parse_retry_after(text, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)) == seconds


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("http://h:8428", "http://h:8428/api/v1/write"),
        ("http://mimir/api/v1/push", "http://mimir/api/v1/push"),
        ("http://prom/api/v1/write", "http://prom/api/v1/write"),
    ],
)
def test_write_address_ends_with_write_or_push(url: str, written: str) -> None:
    assert make_write_url(url) == written


@pytest.mark.parametrize(
    ("url", "queried"),
    [
        ("http://h:8428", "http://h:8428"),
        ("http://h/prefix/", "http://h/prefix"),
        ("http://h/api/v1/write", "http://h"),
        ("http://mimir/api/v1/push", "http://mimir/prometheus"),
        ("https://u:p@h/api/prom/push", "https://u:p@h/api/prom"),
    ],
)
def test_read_address_is_the_base_of_the_query_api(url: str, queried: str) -> None:
    assert make_read_url(url) == queried
