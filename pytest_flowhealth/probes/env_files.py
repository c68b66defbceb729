"""Variables of an `.env` file, as the application reads them.

The file is read by the project's own `dotenv` package where it is installed, otherwise by Node's
`util.parseEnv`, the reader behind `node --env-file` (Node 20.12 and later). The two differ from
each other, and Python's dotenv from both: in theirs, a `#` begins a comment wherever it stands
outside quotes. ``${NAME}`` is expanded if the project has the package `dotenv-expand`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from pytest_flowhealth.config.files import is_absent, read_text
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes import command

SECONDS = 60.0
"""Time limit of the Node process that reads a file."""

_PROGRAM = """
const { createRequire } = require('node:module');
const text = require('node:fs').readFileSync(0, 'utf8');
const load = createRequire(process.argv[1]);
let parse = require('node:util').parseEnv;
try { ({ parse } = load('dotenv')); } catch {}
let found = parse ? parse(text) : null;
try {
  const { expand } = load('dotenv-expand');
  // Before its version 11 the second option, since then the first one keeps this process as it is.
  const options = { parsed: found, processEnv: { ...process.env }, ignoreProcessEnv: true };
  if (found) found = expand(options).parsed;
} catch {}
process.stdout.write(JSON.stringify(found));
"""


def read_env_file(path: Path, timeout: float = SECONDS) -> dict[str, str]:
    """Return the variables that the `.env` file at `path` sets; none where there is no file.

    Without `dotenv-expand` nothing is expanded (`${NAME}` stays as it is), and the variables of
    this process have no effect on the result.

    Args:
        path: The file; `dotenv` is looked for from its folder upwards.
        timeout: Seconds that Node may take.

    Raises:
        CheckFailed: It can't be read, is not UTF-8, or there is no Node on the PATH.
        MeasurementUnavailable: Node is older than 20.12 and there is no `dotenv`, or Node gave no
            answer in time.
    """
    if is_absent(path):
        return {}
    text = read_text(path)
    argv = ["node", "-e", _PROGRAM, "--", str(path.absolute())]
    done = command.run(argv, cwd=path.parent, timeout=timeout, stdin=text.encode())
    try:
        variables = msgspec.json.decode(done.stdout, type=dict[str, str] | None)
    except msgspec.DecodeError:
        raise MeasurementUnavailable(
            f"{path.name} was not read: {done.stderr.strip()[-200:] or 'Node gave no answer'}"
        ) from None
    if variables is None:
        raise MeasurementUnavailable(
            f"{path.name} was not read: this Node has no util.parseEnv, and dotenv is not installed"
        )
    return variables
