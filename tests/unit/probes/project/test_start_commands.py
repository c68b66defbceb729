"""What start scripts need: each as npm, and the program that is named, would understand it."""

from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.probes.project.layout import ProjectPackage
from pytest_flowhealth.probes.project.start_commands import (
    StartPlan,
    read_start_plan,
    split_commands,
)


def package(folder: Path, label: str = ".", **manifest: Any) -> ProjectPackage:
    return ProjectPackage(label, str(folder if label == "." else folder / label), manifest)


def plan_of(folder: Path, start: str, **scripts: str) -> StartPlan:
    root = package(folder, scripts={"start": start, **scripts})
    api = package(folder, "apps/api", name="@app/api", scripts={"start": "node api.js"})
    return read_start_plan(root, [root, api])


def describe(plan: StartPlan) -> list[str]:
    """Return what is needed: `?` for what is uncertain, `+` for what is built before."""
    needs = [(need, "" if need.certain else "?") for need in plan.needs]
    needs += [(need, "+") for need in plan.builds]
    return [
        f"{mark}{need.kind}:{need.output.name if need.output else need.path}"
        for need, mark in needs
    ]


@pytest.mark.parametrize(
    ("start", "needs"),
    [
        ("node dist/main", ["module:dist/main"]),
        ("node .", ["module:."]),
        ("node --enable-source-maps --env-file=.env ./dist/main.js --port 1", ["?file:.env", "module:./dist/main.js"]),
        ("node -r dotenv/config --import ./a.mjs dist/main", ["module:./a.mjs", "module:dist/main"]),
        ("node --env-file .env -C production server.js", ["?file:.env", "module:server.js"]),
        ("node --env-file-if-exists=.env --require=./a server.js -r ./b", ["module:./a", "module:server.js"]),
        ("node --max-old-space-size 4096 --inspect server.js", ["module:server.js"]),
        ("node --unknown-option server.js", ["?module:server.js"]),
        ("node 'my server.js' > log.txt 2>&1", ["module:my server.js"]),
        ("NODE_ENV=production PORT=1 node server.js", ["module:server.js"]),
        ("cross-env NODE_ENV=production node server.js", ["module:server.js"]),
        ("dotenv -e .env.local -- node server.js", ["module:server.js"]),
        ("dotenvx run -f .env -- node server.js", ["module:server.js"]),
        ("env-cmd -f .env.prod node server.js", ["module:server.js"]),
        ("env-cmd .env node server.js", ["module:server.js"]),
        ("set NODE_ENV=production&& node server.js", ["module:server.js"]),
        ("npx -y serve@14 -l 80 build", ["folder:build"]),
        ("serve -s dist", ["folder:dist"]),
        ("node_modules/.bin/next start -p 80", ["output:next"]),
        ("next start", ["output:next"]),
        ("next start apps/web", ["output:next"]),
        ("vite preview --port 80", ["output:vite"]),
        ("nuxt start", ["output:nuxt"]),
        ("node .output/server/index.mjs", ["module:.output/server/index.mjs"]),
        ("astro preview", ["output:astro"]),
        ("remix-serve ./build/server/index.js", ["module:./build/server/index.js"]),
        ("react-router-serve ./build/server/index.js", ["module:./build/server/index.js"]),
        ("electron .", ["main:"]),
        ("electron dist/main.js", ["module:dist/main.js"]),
        ("expo start --tunnel", ["main:"]),
        ("tsx watch src/index.ts", ["module:src/index.ts"]),
        ("tsx --env-file=.env src/index.ts", ["module:src/index.ts"]),
        ("ts-node -P tsconfig.json src/index.ts", ["module:src/index.ts"]),
        ("bun run src/index.ts", ["module:src/index.ts"]),
        ("nodemon --watch src -e ts,js src/index.js", ["module:src/index.js"]),
        ("nodemon --exec 'ts-node -T' src/index.ts", ["module:src/index.ts"]),
        ("nodemon --exec \"node --inspect dist/a.js\"", ["module:dist/a.js"]),
        ("nodemon", ["main:"]),
        ("pm2 start ecosystem.config.js --env production", ["module:ecosystem.config.js"]),
        ("pm2-runtime dist/main.js", ["module:dist/main.js"]),
        ("pm2 logs", []),
        ("fastify start -l info dist/app.js", ["module:dist/app.js"]),
        ("./bin/www", ["file:./bin/www"]),
        ("bash scripts/start.sh", ["file:scripts/start.sh"]),
        ("cd server && node index.js", ["module:index.js"]),
        ("npm run serve:it", ["module:it.js"]),
        ("npm run -s serve:it -- --port 1", ["module:it.js"]),
        ("yarn serve:it", ["module:it.js"]),
        ("pnpm run serve:it", ["module:it.js"]),
        ("node --run serve:it", ["module:it.js"]),
        ("run-p serve:*", ["module:it.js"]),
        ("concurrently npm:serve:it 'node b.js'", ["module:it.js", "?module:b.js"]),
        ("npm start --workspace=apps/api", ["module:api.js"]),
        ("npm start -w @app/api", ["module:api.js"]),
        ("npm --prefix apps/api start", ["module:api.js"]),
        ("cd apps/api && npm start", ["module:api.js"]),
        ("yarn workspace @app/api start", ["module:api.js"]),
        ("pnpm --filter @app/api start", ["module:api.js"]),
        ("turbo run start", ["module:api.js"]),
        ("nest start", ["source:src/main.ts|src/main.js|src/main.tsx"]),
        ("react-scripts start", ["source:public/index.html", "source:src/index.js|src/index.jsx|src/index.ts|src/index.tsx"]),
        ("ng serve", ["source:angular.json|.angular.json"]),
        ("vite", []), ("next dev", []), ("node -e 'a()'", []), ("node --test", []),
        # What a command before it builds need not exist.
        ("npm run build && node dist/main", ["+module:dist/main"]),
        ("tsc -p . && node dist/main", ["+module:dist/main"]),
        ("next build && next start", ["+output:next"]),
        ("run-s build serve:it", ["+module:it.js"]),
        ("tsc -w & nodemon dist/main.js", ["+module:dist/main.js"]),
        # What may build it, or may not.
        ("./prepare.sh && node dist/main", ["file:./prepare.sh", "module:dist/main"]),
        ("something && node dist/main", ["?module:dist/main"]),
        ("node a.js && node b.js", ["module:a.js", "?module:b.js"]),
        ("prisma migrate deploy && node dist/main", ["module:dist/main"]),
    ],
)  # fmt: skip
def test_names_what_must_exist(tmp_path: Path, start: str, needs: list[str]) -> None:
    plan = plan_of(tmp_path, start, **{"build": "tsc", "serve:it": "node it.js"})
    assert describe(plan) == needs


@pytest.mark.parametrize(
    "start",
    ["node $ENTRY", "node ${ENTRY:-dist/main}", "something --serve", "node `x`", "node 'a", "npm run absent"],
)  # fmt: skip
def test_returns_as_undecided_what_it_can_not_tell(tmp_path: Path, start: str) -> None:
    plan = plan_of(tmp_path, start)
    assert describe(plan) == []
    assert len(plan.undecided) == 1


def test_a_script_that_start_runs_is_not_read_once_more(tmp_path: Path) -> None:
    scripts = {"build": "tsc", "serve": "node dist/main", "start:prod": "node dist/prod"}
    plan = plan_of(tmp_path, "npm run build && npm run serve && npm run start:prod", **scripts)
    assert describe(plan) == ["+module:dist/main", "+module:dist/prod"]
    assert describe(plan_of(tmp_path, "node a.js", serve="node dist/main"))[1] == "module:dist/main"


def test_reads_prestart_before_start(tmp_path: Path) -> None:
    assert describe(plan_of(tmp_path, "node a.js", prestart="npm run build", build="tsc")) == [
        "+module:a.js"
    ]


def test_ends_for_scripts_that_run_each_other(tmp_path: Path) -> None:
    assert describe(plan_of(tmp_path, "npm run serve", serve="npm start")) == []


def test_takes_what_production_scripts_need_for_uncertain(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "vite", preview="vite preview", **{"start:prod": "node dist/main"})
    assert describe(plan) == ["?module:dist/main", "?output:vite"]
    assert plan.scripts == ["scripts.start"]


def test_starts_server_js_without_a_start_script(tmp_path: Path) -> None:
    (tmp_path / "server.js").touch()
    root = package(tmp_path)
    assert describe(read_start_plan(root, [root])) == ["module:server.js"]


def test_resolves_paths_from_the_folder_that_a_command_runs_in(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "(cd apps/api && node a.js) && node b.js")
    assert plan.needs[0].folder == tmp_path / "apps/api"


@pytest.mark.parametrize("scripts", [None, [], "x", {"start": 1}, {"start": ""}])
def test_ignores_scripts_of_another_type(tmp_path: Path, scripts: object) -> None:
    root = package(tmp_path, scripts=scripts)
    assert describe(read_start_plan(root, [root])) == []


def test_splits_commands_at_operators_outside_quotes() -> None:
    assert split_commands("A=1 a 'b && c' && d;e|f &") == [
        ["A=1", "a", "b && c"], ["&&"], ["d"], [";"], ["e"], ["|"], ["f"], ["&"],
    ]  # fmt: skip
    assert split_commands("a 'b") is None


@pytest.mark.parametrize(
    ("name", "settings", "start", "needs"),
    [
        ("nest-cli.json", '{"sourceRoot": "lib", /* c */ "entryFile": "run"}', "nest start", ["source:lib/run.ts|lib/run.js|lib/run.tsx"]),
        ("nest-cli.json", '{"monorepo": true}', "nest start", []),
        ("angular.json", '{"projects": {"a": {"architect": {"build": {"options": {"browser": "src/main.ts"}}}}}}', "ng serve", ["source:angular.json|.angular.json", "source:src/main.ts"]),
        ("angular.json", '{"projects": {"a": {}, "b": {}}}', "ng serve", ["source:angular.json|.angular.json"]),
        ("angular.json", '{"projects"', "ng serve", ["source:angular.json|.angular.json"]),
    ],
)  # fmt: skip
def test_the_sources_are_those_that_the_frameworks_configuration_names(
    tmp_path: Path, name: str, settings: str, start: str, needs: list[str]
) -> None:
    (tmp_path / name).write_text(settings)
    assert describe(plan_of(tmp_path, start)) == needs
