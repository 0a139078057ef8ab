// Errors in plain words, with what to do next.

import { h, say } from "./dom.js";

const HINTS = {
  unauthorized: "Press the button at the top right and give your key.",
  forbidden: "Your key does not allow this; ask the operator for another.",
  no_person: "Choose a photo that shows people larger, or sharper.",
  one_person: "Choose a photo that shows two or more people.",
  no_face: "Choose a portrait that looks at the camera.",
  several_faces: "Choose one of the faces.",
  face_too_small: "Crop the portrait around the face, or take a larger picture.",
  audio_silent: "Record again, nearer to the microphone.",
  audio_too_long: "Cut the speech.",
  unsupported_media: "JPEG, PNG and WebP pictures, and what a common player plays, can be read.",
  too_large: "Make the file smaller.",
  overloaded: "Many are waiting. Try again in a few seconds.",
  consent_missing: "Say whose face it is and why it may be animated.",
};

/** A box that tells a problem; `again` adds a button for another try. */
export function trouble(problem, again) {
  const box = h(
    "div",
    { class: "trouble", role: "alert" },
    h("strong", {}, problem.title ?? "That did not work"),
    h("p", {}, problem.message),
    HINTS[problem.code] && h("p", { class: "hint" }, HINTS[problem.code]),
    again && h("button", { type: "button", onclick: again }, "Try again"),
  );
  say(`${problem.title ?? "Error"}: ${problem.message}`);
  return box;
}
