// The social graph: people on a circle, a line per relation, its label on it.

import { h, svg } from "./dom.js";
import { colour } from "./picture.js";

const WIDE = 460;
const HIGH = 340;
const LETTER = { wide: 7, high: 17 }; // of a label, in the drawing's units

/** `relations` as the API answers them; `onPair([a, b])` when a line is clicked. */
export function graph(people, relations, onPair) {
  const places = new Map(people.map((symbol, index) => [symbol, place(index, people.length)]));
  const labels = spots();
  const edges = relations.map((relation) => {
    const [[x0, y0], [x1, y1]] = relation.pair.map((symbol) => places.get(symbol));
    const share = relation.probabilities[relation.label];
    const label = relation.abstained ? "not sure" : relation.label;
    const [x, y] = labels.free([x0, y0], [x1, y1], label);
    const looks = { class: relation.abstained ? "edge unsure" : "edge", onclick: () => onPair(relation.pair) };
    return {
      line: svg("line", { ...looks, x1: x0, y1: y0, x2: x1, y2: y1, "stroke-width": 1 + 5 * share }),
      label: svg("text", { ...looks, x, y: y - 4 }, label),
    };
  });
  const nodes = people.map((symbol) => {
    const [x, y] = places.get(symbol);
    return svg(
      "g",
      { class: "node", style: { "--colour": colour(symbol) } },
      svg("circle", { cx: x, cy: y, r: 19 }),
      svg("text", { x, y: y + 5 }, symbol),
    );
  });
  const told = relations.map(({ pair, label, abstained }) => `${pair.join(" and ")}: ${abstained ? "not sure" : label}`);
  return h(
    "figure",
    { class: "graph" },
    svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `Social graph. ${told.join("; ")}` }, ...edges.map(({ line }) => line), ...edges.map(({ label }) => label), ...nodes),
  );
}

/** Where labels go on their lines: in the middle, or beside it where another one is already (diagonals cross there). */
function spots() {
  const taken = [];
  const clash = (x, y, wide) => taken.some((other) => Math.abs(x - other.x) < (wide + other.wide) / 2 && Math.abs(y - other.y) < LETTER.high);

  function free([x0, y0], [x1, y1], label) {
    const wide = (label.length + 1) * LETTER.wide;
    const along = [0.5, 0.38, 0.62, 0.28, 0.72].map((share) => [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share]);
    const [x, y] = along.find(([x, y]) => !clash(x, y, wide)) ?? along[0];
    taken.push({ x, y, wide });
    return [x, y];
  }

  return { free };
}

function place(index, count) {
  const angle = (2 * Math.PI * index) / count - Math.PI / (count === 2 ? 1 : 2);
  return [WIDE / 2 + (WIDE / 2 - 40) * Math.cos(angle), HIGH / 2 + (HIGH / 2 - 40) * Math.sin(angle)];
}
