// Looks at this package right after it was installed, where pytest-flowhealth is there to do so.
//
// It can't break an installation: it ends with exit code 0 whatever happens, in a bounded time, needs
// no other package, and does nothing at all where pytest or the plugin is not installed.
// Plain JavaScript of an old kind on purpose: whoever installs may have an old Node.

"use strict";

const { spawn } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

// What holds for a package that lies in somebody's node_modules: its dependencies lie elsewhere, the lock
// file is not its own, and how busy the machine is says nothing of it.
const COMPONENTS = ["system", "package", "build"];
const CHECKS = ["test_node", "test_npm", "test_manifest", "test_dependencies", "test_artifacts", "test_syntax"];

const SECONDS = 30;
const GRACE = 3000;

const environment = process.env;

function isOn(value) {
  return Boolean(value) && ["0", "false", "no", "off"].indexOf(value.toLowerCase()) < 0;
}

// Whether nothing is to be looked at: in CI, without scripts, or in the package's own repository.
function isUnwanted() {
  const home = environment.INIT_CWD && path.resolve(environment.INIT_CWD) === __dirname;
  return home || isOn(environment.CI) || isOn(environment.npm_config_ignore_scripts);
}

// Where the author wants reports to go: "config": {"flowhealth_submit": "https://..."} in package.json,
// which npm tells its scripts. What is sent, and whether at all, is for `--health-submit` to say.
function address() {
  const url = environment.npm_package_config_flowhealth_submit || "";
  return /^https?:\/\//.test(url) && !isOn(environment.DO_NOT_TRACK) ? url : null;
}

function seconds() {
  const wanted = Number(environment.POSTINSTALL_SECONDS);
  return wanted > 0 && wanted <= 600 ? wanted : SECONDS;
}

function words(report) {
  const found = ["--health", "--health-project", __dirname, "--health-report", report];
  COMPONENTS.forEach((name) => found.push("--health-component", name));
  // Neither the settings of whoever installs, nor a cache among their files.
  found.push("-k", CHECKS.join(" or "), "-c", os.devNull, "--rootdir", __dirname, "-p", "no:cacheprovider");
  return address() ? found.concat("--health-submit", address()) : found;
}

function printable(text) {
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, " ").slice(0, 300);
}

function say(text) {
  console.log(printable(`${environment.npm_package_name || path.basename(__dirname)}: ${text}`));
}

// The report is the first thing that a run writes: without one there was no run.
function tell(file) {
  const health = JSON.parse(fs.readFileSync(file, "utf8")).health;
  if (health.status === "healthy") return say("installed, and healthy");
  say(`installed, but ${health.status}`);
  health.reasons.slice(0, 3).forEach((reason) => say(`  ${reason}`));
}

function stop(child, signal) {
  try {
    // Windows has no process groups.
    if (process.platform === "win32") child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch (error) {
    // It is gone already.
  }
}

function main() {
  if (isUnwanted()) return;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "flowhealth-"));
  const report = path.join(folder, "report.json");

  function end(late) {
    try {
      if (late) say(`installed; not looked at, for pytest gave no answer within ${seconds()} s`);
      else tell(report);
    } catch (error) {
      // No run, or no report that can be read: nothing to say.
    }
    try {
      fs.unlinkSync(report);
    } catch (error) {
      // It was not written.
    }
    try {
      fs.rmdirSync(folder);
    } catch (error) {
      // The system cleans up its own folder for temporary files.
    }
    process.exit(0);
  }

  const child = spawn("pytest", words(report), {
    cwd: __dirname,
    env: Object.assign({}, environment, { PYTEST_ADDOPTS: "" }),
    detached: process.platform !== "win32",
    stdio: "ignore",
    windowsHide: true,
  });
  child.on("error", () => end(false));
  child.on("exit", () => end(false));
  setTimeout(() => {
    child.removeAllListeners("exit");
    // A run that is interrupted ends what it started.
    stop(child, "SIGINT");
    child.on("exit", () => end(true));
    setTimeout(() => {
      stop(child, "SIGKILL");
      end(true);
    }, GRACE);
  }, 1000 * seconds());
}

process.on("uncaughtException", () => process.exit(0));
main();
