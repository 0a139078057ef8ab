// Plays a video while it is made (HLS) and when it is done (the file).

import { links } from "./api.js";
import { h } from "./dom.js";

const HLS = "application/vnd.apple.mpegurl";

/** A <video> for a job. `watch(job)` may be called on each change: it starts once there is something to see. */
export function player() {
  const video = h("video", { controls: true, playsInline: true, muted: false, class: "film" });
  let stage = "nothing";
  let hls = null;

  video.watch = async (job) => {
    if (job.status === "succeeded" && stage !== "file") {
      const before = stage;
      stage = "file";
      // Who is watching already goes on watching: the stream has all of it, and ends by itself.
      if (before === "stream" && !video.ended && video.currentTime > 0) return;
      hls?.destroy();
      await load(job, (told) => (video.src = told.content));
    } else if (job.stream && stage === "nothing") {
      stage = "stream";
      await load(job, (told) => playStream(told.stream));
    } else if (["failed", "canceled"].includes(job.status)) {
      video.stop();
    }
  };

  video.stop = () => {
    stage = "over";
    hls?.destroy();
    video.removeAttribute("src");
    video.load();
  };

  /** Captions are a file beside the video, the same for the stream and for the whole. */
  async function load(job, play) {
    const told = await links(job.id);
    if (job.captions && !video.querySelector("track")) {
      video.append(h("track", { kind: "captions", src: told.captions, label: "Captions", default: true }));
    }
    await play(told);
  }

  async function playStream(playlist) {
    const { default: Hls } = await import("./vendor/hls.js");
    if (Hls.isSupported()) {
      // The worker is no blob of this page's policy; the pieces are small enough to do without it.
      hls = new Hls({ enableWorker: false, startPosition: 0 });
      hls.loadSource(playlist);
      hls.attachMedia(video);
    } else if (video.canPlayType(HLS)) {
      video.src = playlist;
    }
    video.play().catch(() => {}); // a browser that wants a click first shows its own button
  }

  return video;
}
