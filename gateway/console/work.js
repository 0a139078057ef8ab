// A job as a card: how far it is, the video as it comes, how to stop it, and what became of it.

import { call, follow, isOver, links } from "./api.js";
import { duration, h, percent, say } from "./dom.js";
import { player } from "./player.js";
import { trouble } from "./trouble.js";

const STAGES = {
  waiting: "waiting for its turn",
  starting: "starting",
  canceling: "stopping",
  portrait: "looking at the portrait",
  track: "following the face",
  speech: "listening to the speech",
  segments: "making the video",
  join: "putting it together",
  finished: "finished",
};

/** Follows `job`; `source` (File) is shown beside the video on demand. Answers the element; `leave()` stops following. */
export function work(job, source) {
  const film = player();
  const meter = h("progress", { max: 1, value: job.progress });
  const line = h("p", { class: "stage-line" });
  const end = h("div", {});
  const warnings = h("ul", { class: "warnings" });
  const stop = h("button", { type: "button", class: "quiet", onclick: cancel }, "stop it");
  const beside = h("div", { class: "films" }, film);
  const card = h("section", { class: "work", "aria-label": "The video" }, meter, line, stop, beside, warnings, end);
  const unfollow = follow(job.id, update, (lost) => lost && (line.textContent = "The connection is lost; trying again …"));
  update(job);

  function update(told) {
    job = told;
    meter.value = told.progress;
    line.textContent = words(told);
    stop.hidden = isOver(told);
    meter.hidden = isOver(told);
    warnings.replaceChildren(...told.warnings.map((text) => h("li", {}, text)));
    film.hidden = !told.stream && told.status !== "succeeded";
    film.watch(told);
    if (isOver(told)) finish(told);
  }

  async function finish(told) {
    say(words(told));
    if (told.status === "failed") end.replaceChildren(trouble({ title: "The video could not be made", ...told.error }));
    if (told.status !== "succeeded") return;
    const { content } = await links(told.id);
    end.replaceChildren(
      h("a", { class: "button", href: content, download: `raconteur-${told.id.slice(-6)}.mp4` }, "Download"),
      " ",
      source && h("button", { type: "button", class: "quiet", onclick: compare }, "compare with the source"),
    );
  }

  function compare(event) {
    const url = URL.createObjectURL(source);
    const isVideo = source.type.startsWith("video/");
    beside.prepend(isVideo ? h("video", { src: url, controls: true, muted: true, class: "film" }) : h("img", { src: url, alt: "The source", class: "film" }));
    event.target.remove();
  }

  async function cancel() {
    stop.disabled = true;
    try {
      update(await call("POST", `/v1/jobs/${job.id}/cancel`));
    } catch (problem) {
      end.replaceChildren(trouble(problem, cancel));
    }
  }

  card.leave = () => {
    unfollow();
    film.stop();
  };
  return card;
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
