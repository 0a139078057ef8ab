// A place to drop a file, choose one, or take the example.

import { h } from "./dom.js";

/**
 * Calls `onFile(File)`. `example` is the name of a file below /console/examples.
 * Answers the element; its `show(child)` puts something below the invitation, `takeExample()` is the example's button.
 */
export function dropzone({ label, accept, example, onFile }) {
  const input = h("input", { type: "file", accept, class: "unseen", id: `file-${label.replace(/\W+/g, "-")}` });
  const invitation = h("p", {}, h("label", { htmlFor: input.id, class: "button" }, label), " or drop it here");
  const zone = h("div", { class: "dropzone" }, input, invitation);
  const stage = h("div", { class: "stage" });

  input.addEventListener("change", () => input.files[0] && take(input.files[0]));
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  if (example) {
    const button = h("button", { type: "button", class: "quiet", onclick: takeExample }, "take the example");
    invitation.append(", or ", button);
  }
  zone.append(stage);

  async function takeExample() {
    const content = await (await fetch(`/console/examples/${example}`)).blob();
    take(new File([content], example, { type: content.type }), true);
  }

  function take(file, isExample = false) {
    zone.classList.add("full");
    input.value = "";
    onFile(file, isExample);
  }

  zone.takeExample = takeExample;
  zone.show = (child) => stage.replaceChildren(...(child ? [child] : []));
  return zone;
}
