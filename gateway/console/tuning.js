// Jobs on prompts: a search with its loss, and an evaluation with its figures.

import { call } from "./api.js";
import { card, download } from "./card.js";
import { h, svg } from "./dom.js";
import { evaluated, stored } from "./figures.js";

const WIDE = 460;
const HIGH = 140;
const LOSS = /^loss ([\d.]+), best ([\d.]+)$/;

/** Follows a prompt search: its loss as it falls, then what it found; `onFound(prompt_id)` once there is a prompt. */
export function searchCard(job, onFound = () => {}) {
  const told = new Map(); // step -> [loss, best]
  const curve = h("figure", { class: "curve", hidden: true });
  return card(job, { label: "The search", parts: [curve], onChange, onDone });

  function onChange({ stage, steps_done }) {
    const [, loss, best] = LOSS.exec(stage) ?? [];
    if (loss === undefined) return;
    told.set(steps_done, [Number(loss), Number(best)]);
    curve.hidden = false;
    curve.replaceChildren(drawn([...told.entries()]));
  }

  async function onDone({ id, output }) {
    if (output.prompt_id) onFound(output.prompt_id);
    return [
      stored(output.test),
      await download({ id }, "prompt-search.html", "Download the report"),
      h("p", { class: "hint" }, output.prompt_id ? "The prompt stands among the versions and answers nothing until you let it." : ""),
    ];
  }
}

export function evaluationCard(job) {
  return card(job, { label: "The evaluation", onDone: async ({ id }) => [evaluated(await call("GET", `/v1/jobs/${id}/content`))] });
}

/** [step, [loss, best]] as two lines. */
function drawn(points) {
  const steps = points.map(([step]) => step);
  const values = points.flatMap(([, both]) => both);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (step) => 50 + ((WIDE - 60) * (step - steps[0])) / Math.max(steps.at(-1) - steps[0], 1);
  const y = (value) => 10 + ((HIGH - 30) * (high - value)) / Math.max(high - low, 1e-6);
  const line = (which) => points.map(([step, both]) => `${x(step)},${y(both[which])}`).join(" ");
  const latest = points.at(-1)[1];
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `Loss ${latest[0]} after step ${steps.at(-1)}, best ${latest[1]}` },
    svg("text", { x: 4, y: y(high) + 5 }, high.toFixed(2)),
    high > low && svg("text", { x: 4, y: y(low) + 5 }, low.toFixed(2)),
    svg("text", { x: WIDE - 8, y: HIGH - 4, "text-anchor": "end" }, `step ${steps.at(-1)}`),
    svg("polyline", { class: "loss", points: line(0) }),
    svg("polyline", { class: "best", points: line(1) }),
    ...points.map(([step, both]) => svg("circle", { cx: x(step), cy: y(both[1]), r: 3 })),
  );
}
