"""`flowhealth hash-password`: which passwords it takes."""

from click.testing import CliRunner

from pytest_flowhealth.cli.hash_password import command


def test_a_password_that_is_piped_in_is_hashed() -> None:
    result = CliRunner().invoke(command, input="geheim\n")

    assert result.exit_code == 0
    assert result.output.startswith("$argon2id$")


def test_an_empty_password_is_an_error() -> None:
    result = CliRunner().invoke(command, input="\n")

    assert "there is no password" in str(result.exception)
