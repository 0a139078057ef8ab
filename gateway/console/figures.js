// What a prompt is worth: accuracies with their intervals, and which label was taken for which.

import { h, percent, svg } from "./dom.js";

const WIDE = 220;

/** Rows of [name, accuracy, [low, high]] as points with their 95 % intervals on one scale. */
export function accuracies(rows) {
  return h(
    "table",
    { class: "accuracies" },
    h("caption", { class: "unseen" }, "Accuracy with its 95 % interval"),
    ...rows.map(([name, accuracy, [low, high]]) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        h("td", {}, svg("svg", { viewBox: `0 0 ${WIDE} 14`, "aria-hidden": "true" }, svg("line", { x1: low * WIDE, x2: high * WIDE, y1: 7, y2: 7 }), svg("circle", { cx: accuracy * WIDE, cy: 7, r: 5 }))),
        h("td", {}, `${percent(accuracy)} [${percent(low)} – ${percent(high)}]`),
      ),
    ),
  );
}

/** `confusion[true][predicted]` as a table; the fuller a cell, the more often. */
export function confusion(counts) {
  const labels = Object.keys(counts);
  return h(
    "div",
    { class: "wide" },
    h(
      "table",
      { class: "confusion" },
      h("caption", {}, "In each row what it is, in each column what was answered"),
      h("thead", {}, h("tr", {}, h("td", {}), ...labels.map((label) => h("th", { scope: "col" }, h("span", {}, label))))),
      h("tbody", {}, ...labels.map((truth) => row(truth))),
    ),
  );

  function row(truth) {
    const all = Object.values(counts[truth]).reduce((sum, count) => sum + count, 0);
    const cells = labels.map((answer) => {
      const count = counts[truth][answer] ?? 0;
      return h("td", { class: truth === answer ? "right" : "wrong", style: { "--share": `${all ? Math.round((70 * count) / all) : 0}%` } }, count ? String(count) : "");
    });
    return h("tr", {}, h("th", { scope: "row" }, truth), ...cells);
  }
}

/** Figures that a stored prompt carries: of a search, or of an evaluation. */
export function stored(figures) {
  if (!figures) return h("p", { class: "hint" }, "It has not been judged yet.");
  if ("accuracy_after" in figures) {
    return h(
      "div",
      {},
      accuracies([
        ["where it began", figures.accuracy_before, figures.accuracy_before_interval],
        ["this prompt", figures.accuracy_after, figures.accuracy_after_interval],
      ]),
      h("p", { class: "hint" }, `On ${figures.n} stories that the search never saw; by chance alone with p = ${figures.p_value.toFixed(3)}.`),
    );
  }
  return evaluated(figures);
}

/** An evaluation as its job gives it. */
export function evaluated(figures) {
  if (!figures.accuracy_interval) return h("p", { class: "hint" }, JSON.stringify(figures));
  const held = figures.cross_validated;
  return h(
    "div",
    {},
    accuracies([["accuracy", figures.accuracy, figures.accuracy_interval], ...(held ? [["calibrated on the other half", held.accuracy, held.accuracy_interval]] : [])]),
    h("p", { class: "hint" }, `${figures.n} stories · ${figures.prompt} · macro F1 ${figures.macro_f1.toFixed(2)} · mean log loss ${figures.nll.toFixed(2)} · calibration error ${figures.ece.toFixed(2)}`),
    confusion(figures.confusion),
  );
}
