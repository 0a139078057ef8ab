// How far the mouth opens over how loud it is; a click goes to that moment of the film.

import { h, svg } from "./dom.js";

const WIDE = 900;
const HIGH = 120;
const WIDE_OPEN = 0.5; // lips' distance over the mouth's width

/** `measured` as the API answers it; the moment that `film` (<video>) shows is marked. */
export function mouthPlot({ fps, openings, loudness }, film) {
  const count = openings.length;
  const x = (index) => (WIDE * index) / Math.max(count - 1, 1);
  const loudest = Math.max(...loudness, 1e-6);
  const sound = loudness.map((level, index) => `${x(index)},${HIGH - (HIGH - 4) * (level / loudest)}`);
  const now = svg("line", { class: "now", y1: 0, y2: HIGH });
  const plot = svg(
    "svg",
    { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": "Opening of the mouth over loudness", onclick: go },
    svg("polygon", { class: "sound", points: `0,${HIGH} ${sound.join(" ")} ${WIDE},${HIGH}` }),
    ...runs(openings).map((run) => svg("polyline", { class: "opening", points: run.map(([index, opening]) => `${x(index)},${HIGH - HIGH * Math.min(opening / WIDE_OPEN, 1)}`).join(" ") })),
    now,
  );
  const follow = () => {
    const at = (WIDE * film.currentTime * fps) / Math.max(count - 1, 1);
    now.setAttribute("x1", at);
    now.setAttribute("x2", at);
    if (film.isConnected && !film.paused) requestAnimationFrame(follow);
  };
  ["play", "seeked", "pause"].forEach((event) => film.addEventListener(event, follow));
  follow();

  function go(event) {
    const { left, width } = plot.getBoundingClientRect();
    film.currentTime = (((event.clientX - left) / width) * (count - 1)) / fps;
  }

  const gaps = openings.some((opening) => opening === null) ? " Where the line is broken no face was found." : "";
  return h("figure", { class: "mouth" }, plot, h("figcaption", { class: "hint" }, `The line is the opening of the mouth, measured on the video; the grey is how loud it is.${gaps}`));
}

/** Unbroken runs of [index, opening]. */
function runs(openings) {
  const found = [[]];
  openings.forEach((opening, index) => (opening === null ? found.push([]) : found.at(-1).push([index, opening])));
  return found.filter((run) => run.length);
}
