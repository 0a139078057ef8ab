// Speech from the microphone, as the browser records it (Opus in WebM or MP4; the server reads both).

import { duration, h } from "./dom.js";

const LONGEST_S = 300;

/** A button that records; `onFile(File)` when it is done, `onTrouble(problem)` where there is no microphone. */
export function recorder(onFile, onTrouble) {
  let running = null;
  const button = h("button", { type: "button", onclick: toggle }, "Record");
  const clock = h("span", { class: "hint" });

  async function toggle() {
    if (running) return running.stop();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      onTrouble({ title: "There is no microphone to record with", message: error.message || "The browser does not allow it." });
      return;
    }
    const pieces = [];
    const began = performance.now();
    running = new MediaRecorder(stream);
    const ticking = setInterval(() => {
      const seconds = (performance.now() - began) / 1000;
      clock.textContent = ` ${duration(seconds)}`;
      if (seconds > LONGEST_S) running.stop();
    }, 200);
    running.ondataavailable = (event) => pieces.push(event.data);
    running.onstop = () => {
      clearInterval(ticking);
      stream.getTracks().forEach((track) => track.stop());
      const type = running.mimeType.split(";")[0];
      running = null;
      button.textContent = "Record again";
      onFile(new File(pieces, `recording.${type.includes("mp4") ? "mp4" : "webm"}`, { type }));
    };
    running.start();
    button.textContent = "Stop";
  }

  return h("span", {}, button, clock);
}
