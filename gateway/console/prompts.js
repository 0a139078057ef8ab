// The room of prompts: which versions there are, how they differ, what they are worth, and how a better one is found.

import { call } from "./api.js";
import { diff } from "./diff.js";
import { h, say } from "./dom.js";
import { dropzone } from "./dropzone.js";
import { stored } from "./figures.js";
import { trouble } from "./trouble.js";
import { evaluationCard, searchCard } from "./tuning.js";

const SEGMENTS = { system: "System: role and rules", expectation: "Expectation: what comes in and goes out", context: "Context: what each label means", guidance: "Guidance: hints and examples" };
const PROPOSERS = { ucb: "what gained before", halving: "all single changes, halved", tpe: "Optuna", random: "chance", gradient: "gradients (needs the transformers runtime)" };
const LATER_MS = 400;

export function promptsRoom() {
  let versions = []; // newest first, the one that ships last
  let stories = null; // of the chosen file
  let waiting = null; // timer of the estimate
  const cards = [];

  const taxonomy = h("select", { onchange: load }, h("option", { value: "pisc" }, "PISC: 6 relations"), h("option", { value: "pipa" }, "PIPA: 16 relations"));
  const complaint = h("div", {});
  const list = h("tbody", {});
  const back = h("button", { type: "button", class: "quiet", onclick: rollBack, hidden: true }, "undo the last change");
  const looked = h("div", {});
  const zone = dropzone({ label: "Choose labelled stories", accept: ".jsonl,.json,application/json", example: "stories.jsonl", onFile: take });
  const proposer = h("select", { onchange: estimateLater }, ...Object.entries(PROPOSERS).map(([value, text]) => h("option", { value }, text)));
  const steps = h("input", { type: "number", min: 1, max: 10000, value: 10, oninput: estimateLater });
  const seconds = h("input", { type: "number", min: 10, placeholder: "no limit", oninput: estimateLater });
  const cost = h("p", { class: "hint", "aria-live": "polite" });
  const judge = h("button", { type: "button", class: "quiet", onclick: evaluate }, "Judge the prompt that answers");
  const search = h("button", { type: "button", onclick: startSearch }, "Search a better one");
  const work = h("div", {});
  const tuning = h("fieldset", { disabled: true, class: "bare" }, h("p", {}, judge), h("p", { class: "options" }, h("label", {}, "Next texts by ", proposer), h("label", {}, "Steps ", steps), h("label", {}, "Seconds ", seconds)), cost, h("p", {}, search));

  const room = h(
    "div",
    { class: "room" },
    h("h2", {}, "Prompts"),
    h("p", { class: "lead" }, "The prompt has four segments. Versions never change; one of them answers."),
    h("p", {}, h("label", {}, "Relations ", taxonomy), " ", back),
    complaint,
    h("table", { class: "jobs" }, h("thead", {}, h("tr", {}, ...["Version", "Made", "Accuracy", ""].map((title) => h("th", { scope: "col" }, title)))), list),
    looked,
    h("h3", {}, "Judge and tune"),
    h("p", { class: "hint" }, "One JSON object a line: id, story, pair, label. They are erased when the job succeeds, or with a job that came to nothing."),
    zone,
    tuning,
    work,
  );
  load();

  async function load() {
    complaint.replaceChildren();
    try {
      const [{ prompts }, shipped] = await Promise.all([call("GET", `/v1/prompts?taxonomy=${taxonomy.value}`), call("GET", "/v1/prompts/shipped")]);
      const base = shipped.find((prompt) => prompt.taxonomy === taxonomy.value);
      versions = [...prompts, { ...base, id: null, active: !prompts.some((prompt) => prompt.active) }];
    } catch (problem) {
      complaint.replaceChildren(trouble(problem, load));
      return;
    }
    list.replaceChildren(...versions.map(row));
    back.hidden = !versions.some(({ id, active }) => id && active);
    looked.replaceChildren();
    estimateLater();
  }

  function row(version) {
    const accuracy = version.figures?.accuracy_after ?? version.figures?.accuracy;
    return h(
      "tr",
      {},
      h("td", {}, h("b", {}, version.name), " ", h("small", {}, version.id ? version.hash : "ships"), version.active && h("span", { class: "state succeeded" }, " answers")),
      h("td", {}, version.created_at ? h("time", { dateTime: version.created_at }, new Date(version.created_at).toLocaleString()) : ""),
      h("td", {}, accuracy === undefined ? "" : `${Math.round(accuracy * 100)} %`),
      h(
        "td",
        {},
        h("button", { type: "button", class: "quiet", onclick: () => look(version) }, "show"),
        version.id && !version.active && h("button", { type: "button", class: "quiet", onclick: () => change("POST", `/${version.id}/activate`, `${version.name} answers now`) }, "let it answer"),
        version.id && h("button", { type: "button", class: "quiet", onclick: () => change("DELETE", `/${version.id}`, `${version.name} is erased`) }, "erase"),
      ),
    );
  }

  async function change(method, path, told) {
    try {
      await call(method, `/v1/prompts${path}`);
      say(told);
      await load();
    } catch (problem) {
      complaint.replaceChildren(trouble(problem));
    }
  }

  function rollBack() {
    change("POST", `/rollback?taxonomy=${taxonomy.value}`, "The one before answers again");
  }

  /** A version beside another one: what differs, what it is worth, and a copy to work on. */
  function look(version) {
    const others = versions.filter((other) => other !== version);
    const parent = others.find((other) => `${other.name}@${other.hash}` === version.parent) ?? others.at(-1);
    const against = h("select", { onchange: compare }, ...others.map((other, index) => h("option", { value: index, selected: other === parent }, other.id ? `${other.name} ${other.hash}` : `${other.name}, ships`)));
    const texts = h("dl", { class: "segments" });
    looked.replaceChildren(
      h(
        "section",
        { class: "work", "aria-label": version.name },
        h("h3", {}, version.name),
        others.length > 0 && h("p", {}, h("label", {}, "Compared with ", against)),
        texts,
        stored(version.figures),
        h("button", { type: "button", class: "quiet", onclick: () => edit(version) }, "write a version from it"),
      ),
    );
    compare();
    looked.scrollIntoView({ block: "nearest" });

    function compare() {
      const other = others[against.value] ?? version;
      texts.replaceChildren(...Object.entries(SEGMENTS).flatMap(([segment, title]) => [h("dt", {}, title), h("dd", {}, diff(other[segment], version[segment]))]));
    }
  }

  function edit(version) {
    const name = h("input", { maxLength: 60, required: true, value: version.id ? version.name : `my-${version.name}` });
    const texts = Object.fromEntries(Object.keys(SEGMENTS).map((segment) => [segment, h("textarea", { rows: segment === "context" ? 9 : 4, value: version[segment], "aria-label": SEGMENTS[segment] })]));
    const refusal = h("div", {});
    looked.replaceChildren(
      h(
        "section",
        { class: "work", "aria-label": "A new version" },
        h("p", {}, h("label", {}, "Name ", name)),
        ...Object.entries(SEGMENTS).map(([segment, title]) => h("label", { class: "stacked" }, title, texts[segment])),
        refusal,
        h("button", { type: "button", onclick: store }, "Store it"),
        " ",
        h("button", { type: "button", class: "quiet", onclick: () => look(version) }, "leave it"),
      ),
    );

    async function store() {
      const segments = Object.fromEntries(Object.entries(texts).map(([segment, field]) => [segment, field.value]));
      try {
        const made = await call("POST", "/v1/prompts", { json: { taxonomy: version.taxonomy, name: name.value, parent: `${version.name}@${version.hash}`, ...segments } });
        await load();
        look(versions.find(({ id }) => id === made.id));
      } catch (problem) {
        refusal.replaceChildren(trouble(problem));
      }
    }
  }

  async function take(file) {
    stories = null;
    try {
      const lines = (await file.text()).split("\n").filter((line) => line.trim());
      stories = lines.map((line, index) => parsed(line, `${file.name}, line ${index + 1}`));
      zone.show(h("p", {}, `${file.name}: ${stories.length} stories, ${new Set(stories.map(({ label }) => label)).size} labels`));
    } catch (problem) {
      zone.show(trouble({ title: "These are no labelled stories", message: problem.message }));
    }
    tuning.disabled = !stories;
    estimateLater();
  }

  function question() {
    const options = { proposer: proposer.value, steps: Number(steps.value), ...(seconds.value && { seconds: Number(seconds.value) }) };
    return { stories, taxonomy: taxonomy.value, options };
  }

  function estimateLater() {
    clearTimeout(waiting);
    cost.textContent = "";
    if (stories) waiting = setTimeout(estimate, LATER_MS);
  }

  async function estimate() {
    const asked = question();
    try {
      const told = await call("POST", "/v1/prompt-searches/estimate", { json: asked });
      const limit = asked.options.seconds ? `, and at most ${asked.options.seconds} s` : "";
      cost.textContent = `At most ${told.search.toLocaleString()} tokens in ${asked.options.steps} steps${limit}; ${told.judging.toLocaleString()} more to judge the outcome.`;
    } catch (problem) {
      cost.replaceChildren(trouble(problem));
    }
  }

  function startSearch() {
    start("prompt-searches", question(), (job) => searchCard(job, load));
  }

  function evaluate() {
    start("evaluations", { stories, taxonomy: taxonomy.value }, evaluationCard);
  }

  async function start(path, json, cardOf) {
    try {
      const made = cardOf(await call("POST", `/v1/${path}`, { json, headers: { "Idempotency-Key": crypto.randomUUID() } }));
      cards.push(made);
      work.prepend(made);
      made.scrollIntoView({ block: "nearest" });
    } catch (problem) {
      work.prepend(trouble(problem));
    }
  }

  function leave() {
    clearTimeout(waiting);
    cards.forEach((each) => each.leave());
  }

  return { element: room, leave };
}

function parsed(line, place) {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Error(`${place}: ${error.message}`, { cause: error });
  }
}
