"""The documentation's example in Python verifies what is signed."""

from typing import Any

import pytest

from tests.kit.alerts import SECRET, SIGNED, SIGNED_BODY, documented, signed_headers


@pytest.mark.parametrize("case", SIGNED)
def test_python_example_accepts_only_a_fresh_signature_of_the_body(case: str) -> None:
    found: dict[str, Any] = {}
    exec(documented("python"), found)

    assert found["verified"](SECRET, signed_headers(case), SIGNED_BODY) is (case == "right")
