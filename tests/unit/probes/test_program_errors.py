"""The cause of a program's end, from outputs that Node 20, npm 10, Python, shells and others wrote."""

import pytest

from pytest_flowhealth.probes.program_errors import find_cause

NODE = """file:///app/make.mjs:1
if (!process.env.NOPE_URL) throw new Error('NOPE_URL is not set');
                                 ^

Error: NOPE_URL is not set
    at file:///app/make.mjs:1:34
    at ModuleJob.run (node:internal/modules/esm/module_job:325:25)

Node.js v20.20.2
"""
NOT_FOUND = """node:internal/modules/esm/resolve:283
    throw new ERR_MODULE_NOT_FOUND(
          ^

Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/app/nope.mjs' imported from /app/a.mjs
    at finalizeResolution (node:internal/modules/esm/resolve:283:11) {
  code: 'ERR_MODULE_NOT_FOUND',
  url: 'file:///app/nope.mjs'
}

Node.js v20.20.2
"""
REQUIRED = """node:internal/modules/cjs/loader:1210
  throw err;
  ^

Error: Cannot find module './nope'
Require stack:
- /app/a.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15) {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/app/a.js' ]
}

Node.js v20.20.2
"""
LISTENS = """node:events:502
      throw er; // Unhandled 'error' event
      ^

Error: listen EADDRINUSE: address already in use 127.0.0.1:3001
    at Server.setupListenHandle [as _listen2] (node:net:1908:16)
Emitted 'error' event on Server instance at:
    at emitErrorNT (node:net:1944:8) {
  code: 'EADDRINUSE',
  port: 3001
}

Node.js v20.20.2
"""
SEVERAL = """node:internal/process/promises:394
      triggerUncaughtException(err, true /* fromPromise */);
      ^

AggregateError [ECONNREFUSED]:\x20
    at internalConnectMultiple (node:net:1122:18) {
  code: 'ECONNREFUSED',
  [errors]: [
    Error: connect ECONNREFUSED ::1:6379
        at createConnectionError (node:net:1652:14) {
      errno: -111,
    },

Node.js v22.11.0
"""
CAUSED = """/app/c.js:1
throw new ConfigInvalid("config bad", { cause })
^

ConfigInvalid: config bad
    at Object.<anonymous> (/app/c.js:1:110) {
  [cause]: SyntaxError: Expected property name or '}' in JSON at position 1
      at JSON.parse (<anonymous>)
}

Node.js v20.20.2
"""
REJECTED = """node:internal/process/promises:389
      new UnhandledPromiseRejection(reason);
      ^

UnhandledPromiseRejection: This error originated either by throwing inside of an async function \
without a catch block, or by rejecting a promise which was not handled with .catch(). The promise \
rejected with the reason "no token".
    at throwUnhandledRejectionsMode (node:internal/process/promises:389:7) {
  code: 'ERR_UNHANDLED_REJECTION'
}

Node.js v20.20.2
"""
NULL = """
[eval]:1
throw null
^
null
(Use `node --trace-uncaught ...` to show where the exception was thrown)

Node.js v20.20.2
"""
HEAP = """
<--- Last few GCs --->

[2509:0x278ede20]       29 ms: Mark-Compact 12.9 (21.2) -> 12.5 (29.2) MB, allocation failure

<--- JS stacktrace --->

FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
----- Native stack trace -----

 1: 0xb78db3 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]
"""
TRAP = """wasm://wasm/0145fffe:1


RuntimeError: unreachable
    at wasm://wasm/0145fffe:wasm-function[0]:0x1e
    at [eval]:1:151

Node.js v20.20.2
"""
EMSCRIPTEN = """Aborted(Assertion failed: size < limit, at: main.c,12,grow)
/app/engine.js:128
      throw e;
      ^

RuntimeError: Aborted(Assertion failed: size < limit, at: main.c,12,grow)
    at abort (/app/engine.js:651:11)

Node.js v20.20.2
"""
LOGGED = """starting
Error: connect ETIMEDOUT
    at Object.<anonymous> (/app/l.js:1:15)
    at Module._compile (node:internal/modules/cjs/loader:1521:14) {
  errno: -110
}
"""
SCRIPT = "\n> x@1.0.0 fail\n> node make.mjs\n\n" + NODE
SCRIPT_7 = NODE + (
    "npm ERR! code ELIFECYCLE\nnpm ERR! errno 1\nnpm ERR! x@1.0.0 fail: `node make.mjs`\n"
    "npm ERR! Exit status 1\nnpm ERR!\nnpm ERR! Failed at the x@1.0.0 fail script.\n"
    "npm ERR! This is probably not a problem with npm.\n"
)
NO_PROGRAM = "\n> x@1.0.0 bad\n> nosuch\n\nsh: 1: nosuch: not found\n"
NO_SCRIPT = """npm error Missing script: "missing"
npm error
npm error To see a list of scripts, run:
npm error   npm run
npm error A complete log of this run can be found in: /home/u/.npm/_logs/x-debug-0.log
"""
NO_LOCK = """npm error code EUSAGE
npm error
npm error The `npm ci` command can only install with an existing package-lock.json or
npm error npm-shrinkwrap.json with lockfileVersion >= 1. Run an install with npm@5 or
npm error later to generate a package-lock.json file, then try again.
npm error
npm error Clean install a project
"""
NO_PACKAGE = """npm ERR! code E404
npm ERR! 404 Not Found - GET https://registry.example/nosuch
npm ERR! 404
npm ERR! 404  'nosuch@9.9.9' is not in this registry.
npm ERR! A complete log of this run can be found in: /home/u/.npm/_logs/x-debug-0.log
"""
NO_MANIFEST = """npm error code ENOENT
npm error syscall open
npm error path /app/package.json
npm error errno -2
npm error enoent Could not read package.json: Error: ENOENT: no such file or directory, open '/app/package.json'
npm error enoent This is related to npm not being able to find a file.
npm error enoent
"""
PYTHON = """Traceback (most recent call last):
  File "/app/worker.py", line 2, in <module>
    import nope
ModuleNotFoundError: No module named 'nope'
"""
PNPM = "\x1b[31m\u2009ERR_PNPM_NO_SCRIPT\u2009\x1b[39m Missing script: build\n"
YARN = (
    "error: cannot open engine.c\nerror Command failed with exit code 1.\ninfo Visit yarnpkg.com\n"
)


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (NODE, "Error: NOPE_URL is not set"),
        (
            NOT_FOUND,
            "Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/app/nope.mjs' imported from /app/a.mjs",
        ),
        (REQUIRED, "Error: Cannot find module './nope'"),
        (LISTENS, "Error: listen EADDRINUSE: address already in use 127.0.0.1:3001"),
        (SEVERAL, "AggregateError [ECONNREFUSED]: Error: connect ECONNREFUSED ::1:6379"),
        (
            CAUSED,
            "ConfigInvalid: config bad (cause: SyntaxError: Expected property name or '}' in JSON at position 1)",
        ),
        (REJECTED, "unhandled promise rejection: no token"),
        (NULL, "Uncaught null"),
        (TRAP, "RuntimeError: unreachable"),
        (
            EMSCRIPTEN,
            "RuntimeError: Aborted(Assertion failed: size < limit, at: main.c,12,grow)",
        ),
        (LOGGED, "Error: connect ETIMEDOUT"),
        (SCRIPT, "Error: NOPE_URL is not set"),
        (SCRIPT_7, "Error: NOPE_URL is not set"),
        (NO_PROGRAM, "sh: 1: nosuch: not found"),
        ("bash: line 1: nosuch: command not found", "bash: line 1: nosuch: command not found"),
        ("/usr/bin/env: node: No such file or directory\n", None),
        (NO_SCRIPT, 'npm: Missing script: "missing"'),
        (
            NO_LOCK,
            "npm: The `npm ci` command can only install with an existing package-lock.json or "
            "npm-shrinkwrap.json with lockfileVersion >= 1. Run an install with npm@5 or "
            "later to generate a package-lock.json file, then try again.",
        ),
        (NO_PACKAGE, "npm: Not Found - GET https://registry.example/nosuch"),
        (
            NO_MANIFEST,
            "npm: Could not read package.json: Error: ENOENT: no such file or directory, open '/app/package.json'",
        ),
        (PYTHON, "ModuleNotFoundError: No module named 'nope'"),
        ("node: bad option: --nope\n", None),
        (PNPM, "ERR_PNPM_NO_SCRIPT Missing script: build"),
        (YARN, "error: cannot open engine.c"),
        ("REDIS_URL is missing\nlistening on 3001\n", "REDIS_URL is missing"),
        ("hello\nbye\n", "bye"),
    ],
)
def test_cause_is_the_line_of_the_error_and_not_what_follows_it(output, cause):
    assert find_cause(output, 1) == (cause or output.strip())


@pytest.mark.parametrize(
    ("output", "returncode", "cause"),
    [
        ("working\n", -9, "killed by SIGKILL"),
        ("Killed\n", 137, "killed by SIGKILL"),
        (HEAP, 134, "FATAL ERROR: Reached heap limit"),
        (HEAP, -6, "FATAL ERROR: Reached heap limit"),
        ("", -11, "ended by the signal SIGSEGV"),
        ("Terminated\n", 143, "ended by the signal SIGTERM"),
        ("", 3, "it wrote nothing and ended with exit code 3"),
        ("", None, "it wrote nothing"),
        ("no such signal", 255, "no such signal"),
    ],
)
def test_signal_is_the_cause_unless_the_program_named_one(output, returncode, cause):
    assert find_cause(output, returncode).startswith(cause)


def test_cause_is_one_line_of_bounded_length():
    assert len(find_cause("Error: " + "x" * 5_000, 1)) < 350
    assert "\n" not in find_cause("Error: a\nb\n    at c", 1)
