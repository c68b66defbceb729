"""Parse an address with the application's own Redis client.

ioredis and node-redis accept different forms, and each has changed them between releases. The
installed client is therefore asked, in a Node process, what it would connect to. Nothing is
connected.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import command

PACKAGES = ("ioredis", "iovalkey", "redis", "@redis/client")
"""Clients that can be asked."""

SECONDS = 60.0
"""Time limit of the Node process, far from what a busy machine takes."""

_PROGRAM = r"""
const { createRequire } = require('node:module');
const { root, url, names } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const load = createRequire(root + '/');
const flat = (o) => {
  const database = +(o.db ?? o.database ?? 0);
  // ioredis connects, then sends SELECT NaN, whose error nothing catches: it ends the application.
  if (Number.isNaN(database)) throw new Error('the database is no number');
  return { host: o.host, port: o.port === undefined ? undefined : +o.port, path: o.path,
  database, username: o.username || undefined,
  password: o.password || undefined, tls: Boolean(o.tls) };
};
const ask = {
  ioredis: (client) => flat(new client(url, { lazyConnect: true }).options),
  redis: (client, name) => {
    const version = +load(name + '/package.json').version.split('.')[0];
    if (version < 4) return flat(load(name + '/lib/createClient')(url));
    const { socket = {}, ...rest } = client.createClient({ url }).options;
    return flat({ ...rest, ...socket });
  },
};
ask.iovalkey = ask.ioredis;
ask['@redis/client'] = ask.redis;
const answers = [];
for (const name of names) {
  let client;
  try { client = load(name); } catch { continue; }
  try { answers.push({ client: name, ...ask[name](client, name) }); }
  catch (error) { answers.push({ client: name, problem: String(error.message) }); }
}
process.stdout.write(JSON.stringify(answers), () => process.exit());
"""


class ClientAddress(msgspec.Struct, frozen=True):
    """What a client makes of an address, or the `problem` that it has with it."""

    client: str
    problem: str = ""
    host: str | None = None
    port: int | None = None
    path: str | None = None
    database: int = 0
    username: str | None = None
    password: str | None = None
    tls: bool = False


def parse_with_clients(
    url: str, root: Path, names: Sequence[str] = PACKAGES
) -> tuple[ClientAddress, ...]:
    """Return what each installed client makes of `url`; nothing if none is installed.

    Args:
        url: The value of the application's variable.
        root: The target's folder, from which the clients are loaded.
        names: Packages to ask, in this order.

    Raises:
        MeasurementUnavailable: The Node process gave no answer. What the client makes of the address
            is then not known, and no other parser's answer takes its place.
    """
    request = msgspec.json.encode({"root": str(root), "url": url, "names": names})
    try:
        done = command.run(["node", "-e", _PROGRAM], cwd=root, timeout=SECONDS, stdin=request)
    except CheckFailed:
        return ()  # There is no Node, and so no client.
    try:
        return msgspec.json.decode(done.stdout, type=tuple[ClientAddress, ...])
    except msgspec.DecodeError:
        problem = done.stderr.strip()[-200:] or f"exit code {done.returncode}"
    raise MeasurementUnavailable(
        f"how the application's Redis client reads its address is not known: Node gave no answer: {problem}",
        remedy="write the address as redis://HOST:PORT/0",
    )
