// Which room is open, whether all parts run, and the key.

import { key, states } from "./api.js";
import { h } from "./dom.js";
import { jobsRoom } from "./jobs.js";
import { promptsRoom } from "./prompts.js";
import { relationsRoom } from "./relations.js";
import { talkRoom } from "./talk.js";

const LOOK_AGAIN_MS = 10_000;
const place = document.getElementById("room");
const state = document.getElementById("state");
const setup = document.getElementById("setup");
let room = null;
let handedOver = "";

const ROOMS = {
  relations: () => relationsRoom({ tell }),
  talk: () => talkRoom({ text: handedOver }),
  prompts: promptsRoom,
  jobs: jobsRoom,
};

function enter() {
  const name = location.hash.slice(1) in ROOMS ? location.hash.slice(1) : "relations";
  room?.leave();
  room = ROOMS[name]();
  handedOver = "";
  place.replaceChildren(room.element);
  document.title = `Raconteur · ${room.element.querySelector("h2").textContent}`;
  document.querySelectorAll("nav a").forEach((link) => link.toggleAttribute("aria-current", link.hash === `#${name}`));
}

/** A text from one room becomes what a portrait is to say. */
function tell(text) {
  handedOver = text;
  location.hash = "#talk";
}

async function look() {
  let parts = {};
  try {
    parts = await states();
  } catch {
    parts = { gateway: "cannot be reached" };
  }
  const waiting = Object.entries(parts).filter(([, told]) => told !== "ready");
  state.className = `quiet ${waiting.length ? "waiting" : "ready"}`;
  state.lastElementChild.textContent = waiting.length ? `${waiting.map(([name]) => name).join(", ")} not ready` : "ready";
  document.getElementById("parts").replaceChildren(...Object.entries(parts).flatMap(([name, told]) => [h("dt", {}, name), h("dd", {}, told)]));
}

state.addEventListener("click", () => {
  document.getElementById("key").value = key.get();
  setup.showModal();
});
setup.addEventListener("close", () => {
  if (setup.returnValue !== "save" || document.getElementById("key").value === key.get()) return;
  key.set(document.getElementById("key").value.trim());
  enter();
});
addEventListener("hashchange", enter);
enter();
look();
setInterval(look, LOOK_AGAIN_MS);
