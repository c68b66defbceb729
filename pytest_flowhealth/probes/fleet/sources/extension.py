"""A fleet source that another distribution provides by an entry point."""

from __future__ import annotations

from pytest_flowhealth.config.extensions import FLEET_SOURCES, load_extension
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.fleet.snapshot import Snapshot


class ExtensionSource:
    """Read the source that an entry point makes; an error in its code makes its figures unknown.

    Args:
        name: The entry point's name, as `fleet.source` has it.
        target: The target whose fleet is read.

    Raises:
        MeasurementUnavailable: The source can't be made.
    """

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        try:
            self._source = load_extension(FLEET_SOURCES, name)(target)
            self.place = str(self._source.place)
        except FlowHealthError:
            raise
        except Exception as error:  # whatever another distribution's code raises
            raise self._unavailable(error) from error

    def read(self) -> Snapshot:
        """Return what it tells now.

        Raises:
            MeasurementUnavailable: It raises an error, or returns no snapshot.
        """
        try:
            found = self._source.read()
        except FlowHealthError:
            raise
        except Exception as error:  # as above
            raise self._unavailable(error) from error
        if not isinstance(found, Snapshot):
            raise self._unavailable(TypeError(f"read() returned {type(found).__name__}"))
        return found

    def _unavailable(self, error: Exception) -> MeasurementUnavailable:
        text = one_line(f"{type(error).__name__}: {error}")
        return MeasurementUnavailable(f"the fleet source {self.name} does not work: {text}")
