// The room of jobs: what waits, runs and is done; all of it live.

import { call, follow, isOver } from "./api.js";
import { spent, words } from "./card.js";
import { duration, h, say } from "./dom.js";
import { filmCard } from "./film.js";
import { trouble } from "./trouble.js";
import { evaluationCard, searchCard } from "./tuning.js";

const CARDS = { video: filmCard, narration: filmCard, prompt_search: searchCard, evaluation: evaluationCard };
const STATES = ["queued", "running", "succeeded", "failed", "canceled"];
const PAGE = 50;

export function jobsRoom() {
  const rows = new Map(); // id -> row
  let cursor = null;
  let open = null; // card of the job that is looked at

  const status = h("select", { onchange: start }, h("option", { value: "" }, "all"), ...STATES.map((value) => h("option", { value }, value)));
  const list = h("tbody", {});
  const more = h("button", { type: "button", class: "quiet", hidden: true, onclick: load }, "older jobs");
  const lost = h("p", { class: "hint", role: "status" });
  const complaint = h("div", {});
  const nothing = h("p", { class: "hint", hidden: true }, "There are no such jobs. Videos are made in ", h("a", { href: "#talk" }, "Talk"), ".");
  const looked = h("div", {});
  const room = h(
    "div",
    { class: "room" },
    h("h2", {}, "Jobs"),
    h("p", {}, h("label", {}, "Show ", status)),
    lost,
    complaint,
    looked,
    h(
      "table",
      { class: "jobs" },
      h("thead", {}, h("tr", {}, ...["Since", "What", "State", "Time", ""].map((title) => h("th", { scope: "col" }, title)))),
      list,
    ),
    nothing,
    more,
  );
  const unfollow = follow(null, changed, (gone) => (lost.textContent = gone ? "The connection is lost; trying again …" : ""));
  const seenAll = new IntersectionObserver(([entry]) => entry.isIntersecting && !more.hidden && load());
  seenAll.observe(more);
  start();

  async function start() {
    rows.clear();
    list.replaceChildren();
    cursor = null;
    await load();
  }

  async function load() {
    more.hidden = true;
    const query = new URLSearchParams({ limit: PAGE, ...(status.value && { status: status.value }), ...(cursor && { cursor }) });
    try {
      const page = await call("GET", `/v1/jobs?${query}`);
      page.jobs.forEach((job) => put(job, "append"));
      cursor = page.next_cursor;
      more.hidden = !cursor;
      complaint.replaceChildren();
    } catch (problem) {
      complaint.replaceChildren(trouble(problem, start));
    }
    nothing.hidden = rows.size > 0;
  }

  function changed(job) {
    const fits = !status.value || job.status === status.value;
    if (rows.has(job.id) && !fits) remove(job.id);
    else if (fits) put(job, "prepend");
    nothing.hidden = rows.size > 0;
  }

  function put(job, where) {
    const made = row(job);
    if (rows.has(job.id)) rows.get(job.id).replaceWith(made);
    else list[where](made);
    rows.set(job.id, made);
  }

  function remove(id) {
    rows.get(id)?.remove();
    rows.delete(id);
  }

  function row(job) {
    const over = isOver(job);
    return h(
      "tr",
      {},
      h("td", {}, h("time", { dateTime: job.created_at }, new Date(job.created_at).toLocaleString())),
      h("td", {}, job.kind.replace("_", " ")),
      h("td", { class: `state ${job.status}` }, words(job), !over && h("progress", { max: 1, value: job.progress, "aria-label": "Progress" })),
      h("td", {}, job.started_at ? duration(spent(job)) : ""),
      h(
        "td",
        {},
        h("button", { type: "button", class: "quiet", onclick: () => look(job) }, "show"),
        ["failed", "canceled"].includes(job.status) && h("button", { type: "button", class: "quiet", onclick: () => act("POST", "/repeat", job) }, "again"),
        over ? h("button", { type: "button", class: "quiet", onclick: () => act("DELETE", "", job) }, "erase") : h("button", { type: "button", class: "quiet", onclick: () => act("POST", "/cancel", job) }, "stop"),
      ),
    );
  }

  function look(job) {
    open?.leave();
    open = CARDS[job.kind](job);
    looked.replaceChildren(open);
    open.scrollIntoView({ block: "nearest" });
  }

  async function act(method, verb, job) {
    try {
      const told = await call(method, `/v1/jobs/${job.id}${verb}`);
      if (told) return changed(told);
      remove(job.id);
      say("The job and its files are erased");
      nothing.hidden = rows.size > 0;
    } catch (problem) {
      complaint.replaceChildren(trouble(problem));
    }
  }

  function leave() {
    unfollow();
    seenAll.disconnect();
    open?.leave();
  }

  return { element: room, leave };
}
