"""Prometheus remote write 1.0: https://prometheus.io/docs/specs/prw/remote_write_spec/ ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from pytest_flowhealth.domain.metric_names import Sample
from pytest_flowhealth.errors import UsageError

MOST = 5_000
"""Samples of one request."""

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "pytest-flowhealth",
}
"""As the specification wants them."""


def require_remote_write() -> None:
    """Refuse to begin without what remote write needs.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import cramjam  # noqa: F401
        import google.protobuf  # noqa: F401
    except ImportError:
        raise UsageError(
            "a Prometheus-compatible server as history needs two more packages: "
            "pip install 'pytest-flowhealth[fleet]'"
        ) from None


def encode_requests(samples: Iterable[Sample]) -> Iterator[bytes]:
    """Yield the bodies of the requests that write `samples`."""
    rest = iter(samples)
    while part := [*islice(rest, MOST)]:
        yield encode_request(part)


def encode_request(samples: Sequence[Sample]) -> bytes:
    """Return the body of one request: labels sorted by name, each series once, its samples by time."""
    import cramjam

    series: dict[tuple[str, tuple[tuple[str, str], ...]], list[Sample]] = defaultdict(list)
    for sample in samples:
        series[sample.name, sample.labels].append(sample)
    request = _write_request()()
    for (name, labels), group in series.items():
        added = request.timeseries.add()
        for key, value in sorted((("__name__", name), *labels)):
            if value:  # an empty label is none
                added.labels.add(name=key, value=_encodable(value))
        for sample in sorted(group, key=lambda each: each.at):
            added.samples.add(value=sample.value, timestamp=round(1_000 * sample.at))
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@cache
def _write_request() -> Any:
    """Return the class of `prometheus.WriteRequest`; fields and numbers as in prompb's types.proto."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="flowhealth/remote.proto", package="prometheus", syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in {
        "Label": (("name", 1, kinds.TYPE_STRING), ("value", 2, kinds.TYPE_STRING)),
        "Sample": (("value", 1, kinds.TYPE_DOUBLE), ("timestamp", 2, kinds.TYPE_INT64)),
        "TimeSeries": (("labels", 1, ".prometheus.Label"), ("samples", 2, ".prometheus.Sample")),
        "WriteRequest": (("timeseries", 1, ".prometheus.TimeSeries"),),
    }.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            repeated = isinstance(kind, str)
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            field = described.field.add(name=name, number=number, label=label)
            field.type = kinds.TYPE_MESSAGE if repeated else kind
            if repeated:
                field.type_name = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))
