// A photo with what was found in it: masks, boxes and symbols, in the photo's own pixels.

import { h, svg } from "./dom.js";

const HUES = [222, 28, 150, 330, 190, 50, 275, 100];

/** The colour of a person, the same in photo, text and graph. */
export const colour = (symbol) => `hsl(${HUES[(Number(symbol.slice(1)) - 1) % HUES.length]} 75% 45%)`;

/** `seen` is an answer of /v1/stories with masks. `onPerson(symbol)` is called when a person is clicked. */
export function picture(file, seen, onPerson) {
  const { width, height } = seen;
  const marks = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "marks", "aria-hidden": true });
  const thick = Math.max(width, height) / 300;
  const people = seen.people.map((person) => {
    const [x0, y0, x1, y1] = person.box;
    const mark = svg(
      "g",
      { class: "mark", onclick: () => onPerson(person.symbol), style: { "--colour": colour(person.symbol) } },
      svg("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 3 * thick, "stroke-width": thick }),
      svg("text", { x: x0 + 3 * thick, y: y0 + 12 * thick, "font-size": 11 * thick }, person.symbol),
    );
    return [person.symbol, mark];
  });
  const things = seen.objects.map(({ box: [x0, y0, x1, y1], symbol, name }) =>
    svg(
      "g",
      { class: "mark thing" },
      svg("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, "stroke-width": thick / 2 }),
      svg("text", { x: x0 + 2 * thick, y: y1 - 3 * thick, "font-size": 8 * thick }, `${symbol} ${name}`),
    ),
  );
  marks.append(...things, ...people.map(([, mark]) => mark));
  const url = URL.createObjectURL(file);
  const photo = h("img", { src: url, alt: `The photo, with ${people.length} people marked`, onload: () => URL.revokeObjectURL(url) });
  const tint = h("canvas", { width, height, class: "tint" });
  drawMasks(tint, seen.people);
  const element = h("div", { class: "picture" }, photo, tint, marks);
  const byName = new Map(people);
  /** Mark the chosen people, and those that the pointer or the keyboard is at. */
  element.choose = (symbols, kind = "chosen") => byName.forEach((mark, symbol) => mark.classList.toggle(kind, symbols.includes(symbol)));
  return element;
}

/** COCO run lengths: column by column, starting with what is not in the mask. */
function drawMasks(canvas, people) {
  const context = canvas.getContext("2d");
  for (const { mask, symbol } of people) {
    if (!mask) continue;
    const [height, width] = mask.size;
    context.fillStyle = colour(symbol);
    let at = 0;
    mask.counts.forEach((count, index) => {
      if (index % 2) fillRun(context, at, count, height, canvas.width / width, canvas.height / height);
      at += count;
    });
  }
}

function fillRun(context, start, count, height, zoomX, zoomY) {
  for (let at = start; at < start + count; ) {
    const column = Math.floor(at / height);
    const row = at % height;
    const length = Math.min(height - row, start + count - at);
    context.fillRect(column * zoomX, row * zoomY, Math.ceil(zoomX), length * zoomY);
    at += length;
  }
}
