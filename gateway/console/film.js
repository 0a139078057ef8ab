// A job that makes a video: the video as it comes, its source beside it, and the finished file.

import { card, download } from "./card.js";
import { h } from "./dom.js";
import { player } from "./player.js";

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
    ].filter(Boolean);
  }

  function compare(event) {
    const url = URL.createObjectURL(source);
    const isVideo = source.type.startsWith("video/");
    beside.prepend(isVideo ? h("video", { src: url, controls: true, muted: true, class: "film" }) : h("img", { src: url, alt: "The source", class: "film" }));
    event.target.remove();
  }
}
