"""Programs that start scripts run: what their arguments mean, and what must exist for them."""

from __future__ import annotations

from typing import Literal

import msgspec


class FrameworkOutput(msgspec.Struct, frozen=True):
    """What a framework's build leaves, and what its start command refuses to run without.

    Attributes:
        name: The framework.
        files: Alternatives, each a path in the output's folder.
        setting: The word in the framework's configuration that moves the output elsewhere.
        configs: The names of its configuration files.
        takes_folder: Whether the command's argument is the folder of the application.
        list_file: A JSON file, written by the build, whose `files` must exist too.
        page: A file that the output has where the application's folder has one of that name.
        other_pages: Words in the configuration that make it build something else than that page.
    """

    name: str
    files: tuple[str, ...]
    setting: str = ""
    configs: tuple[str, ...] = ()
    takes_folder: bool = False
    list_file: str = ""
    page: str = ""
    other_pages: tuple[str, ...] = ()


_ENDINGS = ("js", "mjs", "cjs", "ts", "mts", "cts")


def _configs(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}.{ending}" for name in names for ending in _ENDINGS)


_NEXT = FrameworkOutput(
    "next",
    (".next/BUILD_ID",),
    "distDir",
    _configs("next.config"),
    takes_folder=True,
    list_file=".next/required-server-files.json",
)
_VITE = FrameworkOutput(
    "vite",
    ("dist",),
    "outDir",
    _configs("vite.config"),
    page="index.html",
    other_pages=("lib", "input", "ssr"),
)
_NUXT = FrameworkOutput("nuxt", (".output/nitro.json", ".output/server/index.mjs", ".output/public"), "output", _configs("nuxt.config"), takes_folder=True)  # fmt: skip

OUTPUTS: dict[tuple[str, str], FrameworkOutput] = {
    ("next", "start"): _NEXT,
    ("vite", "preview"): _VITE,
    ("nuxt", "start"): _NUXT,
    ("nuxt", "preview"): _NUXT,
    ("nuxi", "preview"): _NUXT,
    ("astro", "preview"): FrameworkOutput("astro", ("dist",), "outDir", _configs("astro.config")),
    ("gatsby", "serve"): FrameworkOutput("gatsby", ("public/index.html",)),
    ("docusaurus", "serve"): FrameworkOutput("docusaurus", ("build",), "--dir"),
}
"""What commands serve that another one has built; a command that is not here is not judged."""

SELF_BUILDING: dict[tuple[str, str], tuple[str, ...]] = {
    ("react-scripts", "start"): (
        "public/index.html",
        "src/index.js|src/index.jsx|src/index.ts|src/index.tsx",
    ),
    ("ng", "serve"): ("angular.json|.angular.json",),
}
"""Commands that build what they serve, and the files that they refuse to run without (`|`: or)."""

BUILDERS = frozenset(
    (
        *(("tsc", ""), ("tsup", ""), ("rollup", ""), ("esbuild", ""), ("swc", ""), ("babel", "")),
        *(("ncc", "build"), ("webpack", ""), ("webpack-cli", ""), ("tsdown", ""), ("unbuild", "")),
        *(("parcel", "build"), ("next", "build"), ("nuxt", "build"), ("nuxi", "build")),
        *(("vite", "build"), ("astro", "build"), ("nest", "build"), ("ng", "build")),
        *(("react-scripts", "build"), ("remix", "build"), ("react-router", "build")),
        *(("remix", "vite:build"), ("gatsby", "build"), ("docusaurus", "build")),
        *(("vue-cli-service", "build"), ("nx", "build"), ("turbo", "build"), ("make", "")),
        *(("electron-vite", "build"), ("tsc-alias", ""), ("microbundle", ""), ("tspc", "")),
        *(("ttsc", ""), ("bunchee", ""), ("gulp", ""), ("grunt", ""), ("vue-tsc", "")),
    )
)
"""Commands, with their first argument or any, that create files."""

DEVELOPMENT = frozenset(
    (
        *(("vite", ""), ("next", "dev"), ("next", ""), ("nuxt", "dev"), ("nuxi", "dev")),
        *(("astro", "dev"), ("gatsby", "develop"), ("webpack", "serve"), ("parcel", "")),
        *(("webpack-dev-server", ""), ("vue-cli-service", "serve"), ("react-native", "start")),
        *(("docusaurus", "start"), ("storybook", "dev"), ("start-storybook", ""), ("tsc", "")),
        *(("remix", "dev"), ("remix", "vite:dev"), ("react-router", "dev"), ("turbo", "dev")),
        *(("electron-forge", "start"), ("electron-vite", ""), ("expo", "start"), ("ng", "serve")),
        *(("react-scripts", "start"), ("nest", "start"), ("craco", "start"), ("ember", "serve")),
        *(("rsbuild", "dev"), ("wrangler", "dev"), ("tsup", ""), ("tsdx", "watch")),
        *(("rollup", ""), ("esbuild", ""), ("vitepress", "dev"), ("svelte-kit", "dev")),
    )
)
"""Commands that run from the sources, with nothing built."""

HARMLESS = frozenset(
    (
        *("cd", "chmod", "clear", "cp", "date", "del", "echo", "exit", "export", "kill-port", "ls"),
        *("mkdir", "node", "nodemon", "open-cli", "printf", "rimraf", "rm", "set", "sleep", "test"),
        *("true", "wait", "wait-on", "wait-port", "[", "prisma", "knex", "sequelize", "typeorm"),
        *("drizzle-kit", "docker", "docker-compose", "electron", "eslint", "prettier", "husky"),
    )
)
"""Programs that make none of the files an application is started from."""

WRAPPERS = frozenset(
    (
        *("cross-env", "cross-env-shell", "env", "dotenv", "dotenvx", "env-cmd", "npx", "exec"),
        *("time", "nice", "nohup", "sudo", "tini", "dumb-init", "infisical", "doppler", "heroku"),
        *("pnpx", "bunx", "with-env", "call", "command", "nice"),
    )
)
"""Programs that run the command after them."""

VALUE_OPTIONS: dict[str, frozenset[str]] = {
    "node": frozenset(
        (
            *("-C", "--conditions", "-r", "--require", "--import", "--loader", "--title"),
            *("--experimental-loader", "--env-file", "--env-file-if-exists", "--icu-data-dir"),
            *("--disable-warning", "--redirect-warnings", "--diagnostic-dir", "--openssl-config"),
            *("--watch-path", "--dns-result-order", "--input-type", "--inspect-port"),
            *("--max-http-header-size", "--unhandled-rejections", "--tls-cipher-list"),
            *("--stack-trace-limit", "--experimental-default-type", "--allow-fs-read"),
            *("--allow-fs-write", "--heapsnapshot-signal", "--report-signal", "--snapshot-blob"),
            *("--cpu-prof-dir", "--cpu-prof-name", "--heap-prof-dir", "--heap-prof-name"),
            *("--report-dir", "--report-directory", "--report-filename", "--v8-pool-size"),
            *("--network-family-autoselection-attempt-timeout", "--trace-event-categories"),
        )
    ),
    "dotenv": frozenset(("-e", "-c", "-v", "-p")),
    "dotenvx": frozenset(("-f", "--env-file", "-e", "--env")),
    "env": frozenset(("-u", "-C", "--unset", "--chdir")),
    "env-cmd": frozenset(("-f", "--file", "-e", "--environments", "-r")),
    "npx": frozenset(("-p", "--package", "-w", "--workspace", "-c", "--call")),
    "nice": frozenset(("-n",)),
    "nodemon": frozenset(
        (
            *("-w", "--watch", "-e", "--ext", "-x", "--exec", "-i", "--ignore", "--config"),
            *("-d", "--delay", "-s", "--signal", "-r", "--require", "--cwd", "-C"),
        )
    ),
    "ts-node": frozenset(("-P", "--project", "-r", "--require", "-O", "--compiler-options")),
    "ts-node-dev": frozenset(("-P", "--project", "-r", "--require", "--watch", "--ignore")),
    "tsnd": frozenset(("-P", "--project", "-r", "--require", "--watch", "--ignore")),
    "tsx": frozenset(
        ("-r", "--require", "--import", "--tsconfig", "--env-file", "--include", "--exclude")
    ),
    "babel-node": frozenset(("-r", "--require", "-x", "--extensions", "--presets", "--plugins")),
    "pm2": frozenset(("-n", "--name", "-i", "--instances", "--env", "-o", "-e", "--cwd")),
    "pm2-runtime": frozenset(("-n", "--name", "-i", "--instances", "--env", "-o", "-e")),
    "serve": frozenset(("-l", "--listen", "-p", "--port", "-c", "--config")),
    "http-server": frozenset(("-p", "--port", "-a", "-c", "-P", "--proxy", "-e", "-d", "-t")),
    "sirv": frozenset(("-p", "--port", "-H", "--host", "-m", "--maxage")),
    "bun": frozenset(("-r", "--preload", "--env-file", "-c", "--config")),
    "fastify": frozenset(
        ("-l", "-p", "-a", "-r", "--log-level", "--port", "--address", "--require")
    ),
    "next": frozenset(("-p", "--port", "-H", "--hostname", "--keepAliveTimeout")),
    "vite": frozenset(("--port", "-c", "--config", "-m", "--mode", "--base", "-l", "--host")),
    "nuxt": frozenset(("-p", "--port", "-h", "--host", "--dotenv")),
    "nuxi": frozenset(("-p", "--port", "-h", "--host", "--dotenv")),
    "astro": frozenset(("--port", "--host", "--config", "--root", "--mode")),
}
"""Options, by program, whose value is the next word."""

_ALWAYS = frozenset(("",))
FILE_RUNNERS: dict[str, tuple[frozenset[str], Literal["node", "tsx", "tool"]]] = {
    "tsx": (frozenset(("", "watch")), "tsx"),
    "ts-node": (_ALWAYS, "tool"),
    "ts-node-esm": (_ALWAYS, "tool"),
    "ts-node-dev": (_ALWAYS, "tool"),
    "tsnd": (_ALWAYS, "tool"),
    "babel-node": (_ALWAYS, "tool"),
    "swc-node": (_ALWAYS, "tool"),
    "esno": (_ALWAYS, "tool"),
    "vite-node": (_ALWAYS, "tool"),
    "nodemon": (_ALWAYS, "tool"),
    "node-dev": (_ALWAYS, "node"),
    "electron": (_ALWAYS, "node"),
    "deno": (frozenset(("run",)), "tool"),
    "bun": (frozenset(("", "run")), "tool"),
    "pm2": (frozenset(("start", "reload", "restart")), "tool"),
    "pm2-runtime": (frozenset(("", "start")), "tool"),
    "forever": (frozenset(("", "start")), "node"),
    "remix-serve": (_ALWAYS, "node"),
    "react-router-serve": (_ALWAYS, "node"),
    "probot": (frozenset(("run",)), "tool"),
    "fastify": (frozenset(("start",)), "node"),
    "functions-framework": (frozenset(), "node"),
}
"""Programs that run a file: the sub-commands before it ("" for none), and who reads the file."""

FOLDER_SERVERS = frozenset(("serve", "http-server", "sirv", "sirv-cli", "live-server"))
"""Programs that serve a folder of files."""
