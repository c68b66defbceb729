"""Many findings in one sentence."""

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.listing import list_findings, raise_worst


def test_several_findings_are_counted_and_the_first_ten_named() -> None:
    assert list_findings(["a is missing"], "files are broken") == "a is missing"
    message = list_findings([str(number) for number in range(1_200)], "files are broken")
    assert message.startswith("1,200 files are broken: 0; 1; ")
    assert message.endswith("; 9; and 1,190 more")


def test_broken_is_raised_before_unmeasured() -> None:
    errors = [MeasurementUnavailable("u", remedy="r"), CheckFailed("p"), CheckFailed("q")]
    with pytest.raises(CheckFailed, match="2 are broken: p; q") as broken:
        raise_worst(errors, broken="are broken", unread="are unread", remedy="mend")
    assert broken.value.remedy == "mend"
    with pytest.raises(MeasurementUnavailable, match=r"^u$") as unread:
        raise_worst(errors[:1], broken="are broken", unread="are unread", remedy="mend")
    assert unread.value.remedy == "r"
    raise_worst([], broken="are broken", unread="are unread")
