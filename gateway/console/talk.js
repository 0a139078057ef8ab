// The room where portraits talk: a face, a voice or a text, a consent, and the video while it is made.

import { call, formOf } from "./api.js";
import { h, svg } from "./dom.js";
import { dropzone } from "./dropzone.js";
import { filmCard } from "./film.js";
import { recorder } from "./recorder.js";
import { trouble } from "./trouble.js";

const BASES = { self: "it is my own face", written: "written consent", licensed: "a licence", synthetic: "nobody: the face is made up" };
const EXAMPLE_CONSENT = { subject: "Grace Hopper", basis: "licensed", reference: "official portrait, United States Navy, public domain" };

export function talkRoom({ text = "" } = {}) {
  let source = null;
  let speech = null;
  let card = null;

  const sourceZone = dropzone({ label: "Choose a portrait or a video", accept: "image/*,video/*", example: "portrait.jpg", onFile: takeSource });
  const speechZone = dropzone({ label: "Choose a recording", accept: "audio/*,video/*", example: "speech.wav", onFile: takeSpeech });
  const record = recorder(takeSpeech, (problem) => speechZone.show(trouble(problem)));
  const words = h("textarea", { rows: 4, name: "text", maxLength: 5000, value: text, placeholder: "or type what is to be said", "aria-label": "Text to be spoken", oninput: check });
  const voice = h("select", {});
  const rate = h("input", { type: "number", min: 0.5, max: 2, step: 0.1, value: 1 });
  const subject = h("input", { required: true, maxLength: 200, oninput: check, autocomplete: "off" });
  const basis = h("select", { onchange: check }, h("option", { value: "" }, "choose"), ...Object.entries(BASES).map(([value, label]) => h("option", { value }, label)));
  const reference = h("input", { maxLength: 500, oninput: check, placeholder: "a document, a page, a form" });
  const givenOn = h("input", { type: "date", value: today(), max: today(), onchange: check });
  const face = h("input", { type: "hidden" });
  const still = h("input", { type: "checkbox" });
  const steps = h("input", { type: "number", min: 1, max: 50, value: 4 });
  const rest = h("select", {}, h("option", { value: "keep" }, "keep it"), h("option", { value: "cut" }, "cut it off"));
  const go = h("button", { type: "button", disabled: true, onclick: start }, "Make it talk");
  const missing = h("p", { class: "hint", "aria-live": "polite" });
  const result = h("div", {});

  const room = h(
    "div",
    { class: "room" },
    h("h2", {}, "Make a portrait talk"),
    h("p", { class: "lead" }, "A still face, or a video that is voiced anew. Files go with the job after a day."),
    h(
      "div",
      { class: "two" },
      h("fieldset", {}, h("legend", {}, "Whose face"), sourceZone, face),
      h("fieldset", {}, h("legend", {}, "What is said"), speechZone, record, words, h("p", {}, h("label", {}, "Voice of the text ", voice), " ", h("label", {}, "pace ", rate))),
    ),
    h(
      "fieldset",
      { class: "consent" },
      h("legend", {}, "Consent"),
      h("label", {}, "This is the face of ", subject),
      h("label", {}, "It may be animated because of ", basis),
      h("label", {}, "Where that can be looked up ", reference),
      h("label", {}, "Since ", givenOn),
      h("p", { class: "hint" }, "It is kept with the job in a log that cannot be changed. Every video says that it was made."),
    ),
    h(
      "details",
      {},
      h("summary", {}, "Details"),
      h("label", {}, still, " keep the head still and the eyes open"),
      h("label", {}, "Denoising steps ", steps),
      h("label", {}, "If a video lasts longer than the speech ", rest),
    ),
    h("p", {}, go),
    missing,
    result,
  );
  loadVoices();
  check();

  function takeSource(file, isExample) {
    source = file;
    face.value = "";
    const url = URL.createObjectURL(file);
    sourceZone.show(
      file.type.startsWith("video/")
        ? h("video", { src: url, controls: true, muted: true, class: "film" })
        : h("img", { src: url, alt: "The chosen portrait", class: "film" }),
    );
    if (isExample) {
      subject.value = EXAMPLE_CONSENT.subject;
      basis.value = EXAMPLE_CONSENT.basis;
      reference.value = EXAMPLE_CONSENT.reference;
      if (!speech && !words.value) speechZone.takeExample();
    }
    check();
  }

  function takeSpeech(file) {
    speech = file;
    words.value = "";
    speechZone.show(h("audio", { src: URL.createObjectURL(file), controls: true }));
    check();
  }

  async function loadVoices() {
    try {
      const { voices } = await call("GET", "/v1/voices");
      voice.replaceChildren(...voices.map(({ name, language, gender }) => h("option", { value: name }, `${name}, ${gender}, ${language}`)));
    } catch {
      voice.replaceChildren(h("option", { value: "" }, "the first one")); // the rest of the room works without
    }
  }

  /** What is still missing, so that the button never leads into a refusal that could be foreseen. */
  function check() {
    const needsReference = ["written", "licensed"].includes(basis.value);
    reference.required = needsReference;
    if (words.value.trim() && speech) {
      speech = null;
      speechZone.show(null);
    }
    const lacks = [
      !source && "a face",
      !speech && !words.value.trim() && "something to say",
      !subject.value.trim() && "whose face it is",
      !basis.value && "why it may be animated",
      needsReference && !reference.value.trim() && "where the consent can be looked up",
    ].filter(Boolean);
    missing.textContent = lacks.length ? `Still missing: ${lacks.join(", ")}.` : "";
    go.disabled = lacks.length > 0;
  }

  async function start() {
    leave();
    go.disabled = true;
    result.replaceChildren(h("p", { class: "busy" }, "Checking face and speech"));
    const consent = { subject: subject.value, basis: basis.value, reference: reference.value, given_on: givenOn.value };
    const text = speech ? null : words.value;
    const fields = { portrait: source, speech, text, consent, face: face.value, still: still.checked, steps: steps.value, rest: rest.value, voice: text && voice.value, rate: text && rate.value };
    try {
      const job = await call("POST", "/v1/videos", { form: formOf(fields), headers: { "Idempotency-Key": crypto.randomUUID() } });
      card = filmCard(job, source);
      result.replaceChildren(card);
      card.scrollIntoView({ block: "nearest" });
    } catch (problem) {
      result.replaceChildren(trouble(problem, problem.retryable && start));
      if (problem.code === "several_faces" && Array.isArray(problem.faces)) chooseFace(problem.faces);
    }
    check();
  }

  /** The faces of the portrait as buttons on it. */
  async function chooseFace(boxes) {
    const image = sourceZone.querySelector("img");
    if (!image) return;
    await image.decode();
    const buttons = boxes.map(([x0, y0, x1, y1], index) =>
      svg(
        "g",
        { class: "mark", tabindex: 0, role: "button", "aria-label": `Face ${index + 1} from the left`, onclick: () => pick(index), onkeydown: (event) => event.key === "Enter" && pick(index) },
        svg("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, "stroke-width": image.naturalWidth / 200 }),
      ),
    );
    const marks = svg("svg", { viewBox: `0 0 ${image.naturalWidth} ${image.naturalHeight}`, class: "marks" }, ...buttons);
    sourceZone.show(h("div", { class: "picture" }, image, marks));
    function pick(index) {
      face.value = index;
      buttons.forEach((button, at) => button.classList.toggle("chosen", at === index));
      start();
    }
  }

  function leave() {
    card?.leave();
    card = null;
  }

  return { element: room, leave };
}

const today = () => new Date().toISOString().slice(0, 10);
