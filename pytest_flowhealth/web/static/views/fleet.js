// The fleet: its swarms, agents and queue, as the source tells them.
import { h, notice, say } from "../dom.js";
import { ago, count, stamp } from "../format.js";
import { liveTable } from "../parts.js";
import { spark } from "../spark.js";
import { listen, value } from "../store.js";

const NOT_CONFIGURED = "No fleet is configured: name its source in [fleet] of flowhealth.toml, and the monitor reads it every second.";

export function make() {
  const note = h("p", { class: "quiet" });
  const figures = h("dl", { class: "facts" });
  const never = h("ul", { class: "plain quiet small" });
  const swarms = liveTable("Swarms", ["Swarm", "State", "Confidence", "Last heartbeat"], (row) => row.id, (row) => [row.id, row.state ?? "not known", row.confidence === null ? "not known" : `${Math.round(100 * row.confidence)} %`, row.heartbeat ? ago(row.heartbeat) : "not known"]);
  const agents = liveTable("Agents", ["Agent", "State", "Process", "Last heartbeat"], (row) => row.id, (row) => [row.id, row.state ?? "not known", row.pid === null ? "not known" : `${row.pid}${row.host ? ` on ${row.host}` : ""}`, row.heartbeat ? ago(row.heartbeat) : "not known"]);
  const sparks = [spark("fleet.agents", "Agents"), spark("fleet.queue", "Queued"), spark("fleet.active", "Active"), spark("fleet.confidence", "Confidence")];
  const empty = notice("empty", NOT_CONFIGURED);
  const heading = h("h2", {}, "Swarms");
  const parts = h("div", {}, figures, h("div", { class: "sparks" }, sparks.map((line) => line.element)), heading, swarms.element, h("h2", {}, "Agents"), agents.element, never);
  const element = h("div", {}, h("h1", {}, "Fleet"), note, empty, parts);
  const update = () => {
    const fleet = value("fleet");
    empty.hidden = Boolean(fleet);
    parts.hidden = !fleet;
    const { fleet: source, fleet_problem: problem } = value("monitor") ?? {};
    if (!fleet) {
      empty.className = problem ? "notice error" : "notice empty";
      empty.dataset.test = problem ? "error" : "empty";
      say(empty, problem ? `The fleet can't be read: ${problem}` : source ? `The fleet's source (${source}) has not been read yet.` : NOT_CONFIGURED);
      say(note, "");
      return;
    }
    say(note, `as of ${stamp(fleet.at)}${fleet.more ? `; ${fleet.more} more are not listed` : ""}`);
    facts(figures, fleet);
    swarms.update(fleet.swarms ?? []);
    swarms.element.hidden = heading.hidden = fleet.swarms === null;
    agents.update(fleet.agents.members);
    never.replaceChildren(...Object.entries(fleet.never).map(([name, why]) => h("li", {}, `${name} is not known to this source: ${why}`)));
  };
  update();
  const end = listen(["fleet", "monitor"], update);
  return {
    element,
    end: () => {
      end();
      for (const line of sparks) line.end();
    },
  };
}

function facts(list, fleet) {
  const { tasks, agents } = fleet;
  const ended = tasks.completed === null || tasks.failed === null ? null : tasks.completed + tasks.failed;
  const rows = [
    ["Agents", count(agents.total)],
    ["At a task", count(agents.busy)],
    ["Queued", count(tasks.waiting)],
    ["Active", count(tasks.active)],
    ["Delayed", count(tasks.delayed)],
    ["Completed", ended ? `${tasks.completed} of ${ended}${tasks.basis ? ` (${tasks.basis})` : ""}` : count(tasks.completed)],
  ];
  list.replaceChildren(...rows.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
}
