// A job as a card: how far it is, how to stop it, and what became of it. What a kind of job adds is given by its room.

import { call, follow, isOver, links } from "./api.js";
import { duration, h, percent, refill, say } from "./dom.js";
import { trouble } from "./trouble.js";

const STAGES = {
  waiting: "waiting for its turn",
  starting: "starting",
  canceling: "stopping",
  look: "looking at the photo",
  relate: "thinking about the relation",
  script: "finding the words",
  portrait: "looking at the portrait",
  track: "following the face",
  speech: "listening to the speech",
  segments: "making the video",
  join: "putting it together",
  search: "searching",
  report: "writing the report",
  stories: "judging the stories",
  finished: "finished",
};

/**
 * Follows `job`. `parts` are shown below the progress; `onChange(job)` is called on each change, and once it has succeeded
 * `onDone(job)` answers what to show at the end. Answers the element; `leave()` stops following.
 */
export function card(job, { label, parts = [], onChange = () => {}, onDone }) {
  const meter = h("progress", { max: 1, value: job.progress, "aria-label": "Progress" });
  const line = h("p", { class: "stage-line" });
  const end = h("div", {});
  const warnings = h("ul", { class: "warnings" });
  const stop = h("button", { type: "button", class: "quiet", onclick: cancel }, "stop it");
  const element = h("section", { class: "work", "aria-label": label }, meter, line, stop, ...parts, warnings, end);
  const unfollow = follow(job.id, update, (lost) => lost && (line.textContent = "The connection is lost; trying again …"));
  update(job);

  function update(told) {
    job = told;
    meter.value = told.progress;
    line.textContent = words(told);
    stop.hidden = isOver(told);
    meter.hidden = isOver(told);
    warnings.replaceChildren(...told.warnings.map((text) => h("li", {}, text)));
    onChange(told);
    if (isOver(told)) finish(told);
  }

  async function finish(told) {
    say(words(told));
    if (told.status === "failed") end.replaceChildren(trouble({ title: "It did not work", ...told.error }));
    if (told.status !== "succeeded") return;
    try {
      refill(end, await onDone(told));
    } catch (problem) {
      end.replaceChildren(trouble(problem, () => finish(told)));
    }
  }

  async function cancel() {
    stop.disabled = true;
    try {
      update(await call("POST", `/v1/jobs/${job.id}/cancel`));
    } catch (problem) {
      end.replaceChildren(trouble(problem, cancel));
    }
  }

  element.leave = unfollow;
  return element;
}

/** The result of a job as a link that works without a key. */
export async function download(job, name, text = "Download") {
  const { content } = await links(job.id);
  return h("a", { class: "button", href: content, download: name }, text);
}

/** One line about a job. */
export function words(job) {
  if (job.status === "failed") return `failed: ${job.error?.message ?? "no reason was given"}`;
  if (job.status === "canceled") return "stopped";
  if (job.status === "succeeded") return `done after ${duration(spent(job))}`;
  const place = job.queue_position ? `, number ${job.queue_position}` : "";
  const left = job.eta_s ? `, about ${duration(job.eta_s)} left` : "";
  return `${STAGES[job.stage] ?? job.stage}${place} · ${percent(job.progress)}${left}`;
}

/** Seconds of work so far. */
export function spent(job) {
  if (!job.started_at) return 0;
  return (new Date(job.finished_at ?? Date.now()) - new Date(job.started_at)) / 1000;
}
