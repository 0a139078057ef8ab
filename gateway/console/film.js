// A job that makes a video: the video as it comes, its source beside it, and the finished file.

import { call } from "./api.js";
import { card, download } from "./card.js";
import { h } from "./dom.js";
import { mouthPlot } from "./mouth.js";
import { player } from "./player.js";
import { trouble } from "./trouble.js";

/** `source` (File) is shown beside the video on demand. */
export function filmCard(job, source) {
  const film = player();
  const beside = h("div", { class: "films" }, film);
  const element = card(job, { label: "The video", parts: [beside], onChange, onDone });
  const unfollow = element.leave;
  element.leave = () => {
    unfollow();
    film.stop();
  };
  return element;

  function onChange(told) {
    film.hidden = !told.stream && told.status !== "succeeded";
    film.watch(told);
  }

  async function onDone(told) {
    return [
      await download(told, `raconteur-${told.id.slice(-6)}.mp4`),
      " ",
      source && h("button", { type: "button", class: "quiet", onclick: compare }, "compare with the source"),
      " ",
      h("button", { type: "button", class: "quiet", onclick: measure }, "does the mouth follow the sound?"),
    ];

    async function measure({ target }) {
      target.disabled = true;
      try {
        target.replaceWith(mouthPlot(await call("GET", `/v1/jobs/${told.id}/mouth`), film));
      } catch (problem) {
        target.disabled = false;
        target.after(trouble(problem));
      }
    }
  }

  function compare(event) {
    const url = URL.createObjectURL(source);
    const isVideo = source.type.startsWith("video/");
    beside.prepend(isVideo ? h("video", { src: url, controls: true, muted: true, class: "film" }) : h("img", { src: url, alt: "The source", class: "film" }));
    event.target.remove();
  }
}
