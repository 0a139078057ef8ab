// Two texts, word by word: what went and what came.

import { h } from "./dom.js";

/** A paragraph of `after` in which words that `before` lacks are marked, and words that it has lost are struck out. */
export function diff(before, after) {
  return h("p", { class: "diff" }, ...runs(before.split(/(\s+)/), after.split(/(\s+)/)).map(([kind, text]) => (kind === "same" ? text : h(kind, {}, text))));
}

/** [kind, text] with kind same, del or ins, by the longest common subsequence of the words. */
function runs(before, after) {
  const length = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      length[i][j] = before[i] === after[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const found = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) put("same", after[(i++, j++)]);
    else if (j === after.length || (i < before.length && length[i + 1][j] >= length[i][j + 1])) put("del", before[i++]);
    else put("ins", after[j++]);
  }
  return found;

  function put(kind, word) {
    if (found.at(-1)?.[0] === kind) found.at(-1)[1] += word;
    else found.push([kind, word]);
  }
}
