// The room where a photo is read: who is in it, how two of them relate, and why.

import { call, formOf } from "./api.js";
import { h, percent, refill, say } from "./dom.js";
import { dropzone } from "./dropzone.js";
import { graph } from "./graph.js";
import { colour, picture } from "./picture.js";
import { trouble } from "./trouble.js";

const TAXONOMIES = { pisc: "PISC: 6 everyday relations", pipa: "PIPA: 16 relations", own: "my own, from a JSON file" };

/** `tell(text)` takes a relation over to where portraits talk. */
export function relationsRoom({ tell }) {
  let photo = null; // File
  let seen = null; // answer of /v1/stories
  let chosen = []; // at most two symbols
  let known = new Map(); // "P1,P2" -> relation
  let wording = ""; // name and hash of the prompt that all of them were asked with
  let asking = null; // AbortController
  let ownTaxonomy = null;

  const shown = h("div", {});
  const people = h("div", { class: "chips", role: "group", "aria-label": "People; choose two" });
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const drawing = h("div", {});
  const story = h("textarea", { rows: 8, "aria-label": "The story", spellcheck: true });
  const taxonomy = h("select", { onchange: chooseTaxonomy }, ...Object.entries(TAXONOMIES).map(([value, text]) => h("option", { value }, text)));
  const taxonomyFile = h("input", { type: "file", accept: ".json,application/json", class: "unseen", "aria-label": "Taxonomy as JSON", onchange: readTaxonomy, oncancel: leaveOwn });
  const prompt = h("select", { onchange: askAgain });
  const leaveOut = { age: h("input", { type: "checkbox", onchange: look }), gender: h("input", { type: "checkbox", onchange: look }) };
  const blur = h("input", { type: "checkbox", onchange: look });
  const zone = dropzone({ label: "Choose a photo", accept: "image/*", example: "photo.jpg", onFile: take });

  const reading = h(
    "section",
    { class: "two", hidden: true },
    h("div", {}, shown, people, drawing),
    h(
      "div",
      {},
      answer,
      h(
        "details",
        {},
        h("summary", {}, "The story that the answer rests on"),
        h("p", { class: "hint" }, "Mend it where it is wrong, then ask again."),
        story,
        h("button", { type: "button", onclick: askAgain }, "Ask again"),
      ),
    ),
  );
  const room = h(
    "div",
    { class: "room" },
    h("h2", {}, "How do they relate?"),
    h("p", { class: "lead" }, "A photo is told as a story, and a language model reasons over the story. The photo is not kept."),
    zone,
    h(
      "fieldset",
      { class: "options" },
      h("legend", {}, "How to look"),
      h("label", {}, "Relations ", taxonomy),
      taxonomyFile,
      h("label", {}, "Prompt ", prompt),
      h("label", {}, leaveOut.age, " leave out ages"),
      h("label", {}, leaveOut.gender, " leave out genders"),
      h("label", {}, blur, " hide faces first"),
    ),
    reading,
  );
  loadPrompts();

  function take(file) {
    photo = file;
    look();
  }

  /** Who is in the photo. Takes a second; the relation is asked for afterwards. */
  async function look() {
    if (!photo) return;
    stopAsking();
    zone.show(h("p", { class: "busy" }, "Looking at the photo"));
    const omit = Object.keys(leaveOut).filter((name) => leaveOut[name].checked);
    try {
      seen = await call("POST", "/v1/stories", {
        form: formOf({ photo, omit: omit.length ? omit : null, blur_faces: blur.checked, masks: true }),
      });
    } catch (problem) {
      reading.hidden = true;
      zone.show(trouble(problem, look));
      return;
    }
    zone.show(seen.warnings.length ? h("ul", { class: "warnings" }, ...seen.warnings.map((text) => h("li", {}, text))) : null);
    reading.hidden = false;
    story.value = seen.story;
    forget();
    shown.replaceChildren(picture(photo, seen, pick));
    refill(
      people,
      seen.people.map((person) =>
        h(
          "button",
          {
            type: "button",
            class: "chip",
            "aria-pressed": "false",
            style: { "--colour": colour(person.symbol) },
            onclick: () => pick(person.symbol),
            onmouseenter: () => point([person.symbol]),
            onmouseleave: () => point([]),
          },
          h("b", {}, person.symbol),
          ` ${describe(person)}`,
        ),
      ),
      seen.people.length > 2 && h("button", { type: "button", class: "quiet", onclick: askAll }, "all pairs"),
    );
    say(`${seen.people.length} people were found`);
    if (seen.people.length > 1) choose(nearest());
    else answer.replaceChildren(h("p", {}, seen.people.length ? "One person alone has no relation to tell." : "Nobody was found."));
  }

  /** The two whose boxes' middles are nearest. */
  function nearest() {
    const middle = ({ box: [x0, y0, x1, y1] }) => [(x0 + x1) / 2, (y0 + y1) / 2];
    const pairs = seen.people.flatMap((a, index) => seen.people.slice(index + 1).map((b) => [a, b]));
    const apart = ([a, b]) => Math.hypot(...middle(a).map((at, axis) => at - middle(b)[axis]));
    return pairs.sort((one, other) => apart(one) - apart(other))[0].map((person) => person.symbol);
  }

  function pick(symbol) {
    if (chosen.length === 2) chosen = [];
    const pair = chosen.includes(symbol) ? chosen.filter((other) => other !== symbol) : [...chosen, symbol];
    choose(pair);
  }

  function choose(symbols) {
    stopAsking();
    chosen = [...symbols].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
    shown.firstChild.choose(chosen);
    [...people.querySelectorAll(".chip")].forEach((chip) =>
      chip.setAttribute("aria-pressed", String(chosen.includes(chip.firstChild.textContent))),
    );
    if (chosen.length === 2) ask(chosen);
    else answer.replaceChildren(h("p", { class: "hint" }, chosen.length ? "Choose one more." : "Choose two people."));
  }

  async function ask(pair) {
    const before = known.get(pair.join());
    if (before?.explanation) return tellRelation(before);
    const relations = await question([pair], true, `Thinking about ${pair.join(" and ")}`);
    if (!relations) return;
    remember(relations);
    tellRelation(relations[0]);
  }

  /** All pairs at once, so that they can agree with each other; reasons follow when a pair is chosen. */
  async function askAll() {
    stopAsking();
    const pairs = seen.people.length * (seen.people.length - 1) / 2;
    const relations = await question(null, false, `Thinking about ${pairs} pairs`);
    if (!relations) return;
    remember(relations);
    answer.replaceChildren(h("p", {}, "Choose a line of the graph, or two people, to read why."));
  }

  async function question(pairs, explain, words) {
    const mine = (asking = new AbortController());
    const busy = h("p", { class: "busy" }, words, " ", h("button", { type: "button", class: "quiet", onclick: stop }, "stop"));
    answer.replaceChildren(busy);
    try {
      const asked = taxonomy.value === "own" ? ownTaxonomy : taxonomy.value;
      const body = { story: story.value, pairs, explain, taxonomy: asked, prompt: prompt.value || null };
      const told = await call("POST", "/v1/relations", { json: body, signal: mine.signal });
      wording = told.prompt;
      return told.relations;
    } catch (problem) {
      if (problem.name !== "AbortError") answer.replaceChildren(trouble(problem, () => (pairs ? ask(pairs[0]) : askAll())));
      return null;
    }
    function stop() {
      mine.abort();
      answer.replaceChildren(h("p", { class: "hint" }, "Stopped. Choose two people."));
    }
  }

  function remember(relations) {
    relations.forEach((relation) => known.set(relation.pair.join(), relation));
    drawing.replaceChildren(known.size > 1 ? graph(seen.people.map((p) => p.symbol), [...known.values()], choose) : "");
  }

  function tellRelation(relation) {
    const [a, b] = relation.pair;
    const bars = Object.entries(relation.probabilities).sort((one, other) => other[1] - one[1]);
    refill(
      answer,
      h("p", { class: "pair" }, mention(a), " and ", mention(b)),
      h("p", { class: "label" }, relation.abstained ? "not sure" : relation.label, relation.coarse && h("small", {}, ` ${relation.coarse}`)),
      relation.roles && h("p", {}, Object.entries(relation.roles.people).map(([role, who]) => `${role} ${who}`).join(", ")),
      h("p", { class: "explanation" }, ...withSymbols(relation.explanation ?? "")),
      h("table", { class: "bars" }, h("caption", { class: "unseen" }, "How likely each relation is"), ...bars.map(([name, share]) => bar(name, share))),
      h("p", { class: "hint" }, `asked with the prompt ${wording}`),
      relation.evidence.length > 0 &&
        h("details", {}, h("summary", {}, "What it rests on"), h("ul", {}, ...relation.evidence.map(({ sentence }) => h("li", {}, ...withSymbols(sentence))))),
      h("button", { type: "button", class: "quiet", onclick: (event) => write(relation, event.target) }, "let a portrait tell this"),
    );
    say(`${a} and ${b}: ${relation.label}`);
  }

  /** The relation in plain words, without symbols, goes to where portraits talk; there it can be mended. */
  async function write(relation, button) {
    button.disabled = true;
    const about = { story: story.value, relation, taxonomy: taxonomy.value === "own" ? ownTaxonomy : taxonomy.value };
    try {
      const { script } = await call("POST", "/v1/narrations/scripts", { form: formOf(about) });
      tell(script);
    } catch (problem) {
      button.disabled = false;
      button.after(trouble(problem));
    }
  }

  function bar(name, share) {
    return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, h("span", { class: "bar", style: { width: `${Math.max(share * 100, 0.5)}%` } })), h("td", {}, percent(share)));
  }

  /** Text with its symbols marked; pointing at one shows the person in the photo. */
  function withSymbols(text) {
    return text.split(/(<P\d+>)/).map((part) => (/^<P\d+>$/.test(part) ? mention(part.slice(1, -1)) : part));
  }

  function mention(symbol) {
    const at = (symbols) => () => point(symbols);
    return h("mark", { tabIndex: 0, style: { "--colour": colour(symbol) }, onmouseenter: at([symbol]), onmouseleave: at([]), onfocus: at([symbol]), onblur: at([]) }, symbol);
  }

  const point = (symbols) => shown.firstChild.choose(symbols, "pointed");

  function askAgain() {
    forget();
    if (chosen.length === 2) ask(chosen);
  }

  function chooseTaxonomy() {
    loadPrompts();
    if (taxonomy.value === "own") taxonomyFile.click();
    else askAgain();
  }

  /** The versions there are for the chosen taxonomy; one's own labels are asked about in words of their own. */
  async function loadPrompts() {
    prompt.replaceChildren(h("option", { value: "" }, "the one that answers"));
    prompt.disabled = taxonomy.value === "own";
    if (prompt.disabled) return;
    const wanted = taxonomy.value;
    try {
      const { prompts } = await call("GET", `/v1/prompts?taxonomy=${wanted}`);
      if (taxonomy.value !== wanted) return;
      const stored = prompts.map(({ id, name, hash, active }) => h("option", { value: id }, `${name} ${hash}${active ? ", answers" : ""}`));
      if (stored.length) prompt.append(h("option", { value: "shipped" }, "the one that ships"), ...stored);
    } catch (problem) {
      zone.show(trouble(problem, loadPrompts));
    }
  }

  function leaveOwn() {
    taxonomy.value = "pisc";
    loadPrompts();
  }

  async function readTaxonomy() {
    try {
      ownTaxonomy = JSON.parse(await taxonomyFile.files[0].text());
      askAgain();
    } catch (error) {
      leaveOwn();
      zone.show(trouble({ title: "This is no taxonomy", message: `${taxonomyFile.files[0].name}: ${error.message}` }));
    }
    taxonomyFile.value = "";
  }

  function forget() {
    known = new Map();
    drawing.replaceChildren();
  }

  function stopAsking() {
    asking?.abort();
  }

  return { element: room, leave: stopAsking };
}

/** "woman, about 35" */
function describe({ attributes }) {
  const { age, gender } = attributes;
  return [gender?.value, age && `about ${age.value}`].filter(Boolean).join(", ");
}
