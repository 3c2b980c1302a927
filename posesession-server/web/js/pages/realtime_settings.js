// @ts-check
// The folded form of what is seldom changed: camera or stream, model, mirror. Its choice out.

import { listCameras } from "../capture.js";
import { PosesessionError } from "../errors.js";
import { SessionApi } from "../session_api.js";
import { byId, publishState, setText } from "./dom.js";
import { preference, setPreference } from "./preferences.js";

/** @typedef {import("./realtime_live_source.js").SourceChoice} SourceChoice */

const STREAMS = "realtime.streams";
const MOST_STREAMS = 20;
/** @type {Record<string, string>} */
const MODEL_NAMES = { lite: "Lite, fastest", full: "Full, more exact", heavy: "Heavy, most exact, slow" };

const form = byId("source", HTMLFormElement);
const remoteChosen = byId("source-remote", HTMLInputElement);
const cameraChosen = byId("source-camera", HTMLInputElement);
const streamName = byId("stream-name", HTMLInputElement);
const cameraSelect = byId("camera-select", HTMLSelectElement);
const modelSelect = byId("model-select", HTMLSelectElement);
const fpsSelect = byId("fps-select", HTMLSelectElement);
const mirror = byId("mirror", HTMLInputElement);

export class Settings {
  /** @param {() => void} onApply */
  constructor(onApply) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      onApply();
    });
    for (const radio of [cameraChosen, remoteChosen]) {
      radio.addEventListener("change", () => this.#showKind());
    }
    mirror.addEventListener("change", () => {
      setPreference(mirrorKey(), mirror.checked);
      this.#showMirror();
    });
    /** `?source=remote&stream=NAME` opens the page on a stream. */
    const parameters = new URLSearchParams(location.search);
    remoteChosen.checked = parameters.get("source") === "remote";
    streamName.value = parameters.get("stream") ?? streamName.value;
    streamName.addEventListener("focus", () => void this.#showStreams());
    const fps = preference("realtime.fps", fpsSelect.value);
    if ([...fpsSelect.options].some(({ value }) => value === fps)) fpsSelect.value = fps;
    void this.#showStreams();
    this.#showKind();
  }

  get mirrored() {
    return mirror.checked;
  }

  /** @returns {SourceChoice} */
  get choice() {
    return {
      kind: remoteChosen.checked ? "remote" : "camera",
      stream: streamName.value.trim() || "default",
      device_id: cameraSelect.value,
      model: modelSelect.value,
      fps: Number(fpsSelect.value),
    };
  }

  /** Keeps the choice that was applied. */
  remember() {
    const { kind, model, fps, stream } = this.choice;
    if (kind === "remote") setPreference(STREAMS, [stream, ...knownStreams().filter((other) => other !== stream)].slice(0, MOST_STREAMS).join("\n"));
    else {
      setPreference("realtime.model", model);
      setPreference("realtime.fps", fps);
    }
    void this.#showStreams();
  }

  /** Opens the section with a remote stream chosen. */
  askForStream() {
    remoteChosen.checked = true;
    this.#showKind();
    byId("settings", HTMLDetailsElement).open = true;
    streamName.focus();
    streamName.select();
  }

  /**
   * Finds which of the server's models is chosen; rejects with the command that helps when it has none.
   * @returns {Promise<string>}
   */
  async model() {
    const { available, models, fetch_command: command } = await new SessionApi().vision();
    if (!available || models.length === 0) {
      throw new PosesessionError(
        "vision_unavailable",
        `the pose model is not on this server yet. Run “${command}” where the server runs and reload this page; a remote stream can be watched and recorded without it`,
      );
    }
    const wanted = modelSelect.options.length > 1 ? modelSelect.value : preference("realtime.model", modelSelect.value);
    modelSelect.replaceChildren(...models.map((model) => new Option(MODEL_NAMES[model] ?? model, model)));
    modelSelect.value = models.includes(wanted) ? wanted : models[0];
    return modelSelect.value;
  }

  /** Lists the cameras, whose names browsers tell once one was allowed. */
  async showCameras() {
    const cameras = await listCameras();
    const chosen = cameraSelect.value;
    const options = cameras.map(({ deviceId, label }, index) => new Option(label || `Camera ${index + 1}`, deviceId));
    cameraSelect.replaceChildren(new Option("Default camera", ""), ...options);
    cameraSelect.value = cameras.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
  }

  #showKind() {
    const remote = remoteChosen.checked;
    byId("camera-options", HTMLElement).hidden = remote;
    setText("source-apply", remote ? "Watch the stream" : "Start camera");
    setText("stream-hint", remote ? "The name that the other program publishes its poses under." : "Others watch this camera's poses under this name.");
    mirror.checked = preference(mirrorKey(), String(!remote)) === "true";
    this.#showMirror();
  }

  #showMirror() {
    byId("camera", HTMLVideoElement).classList.toggle("mirrored", mirror.checked);
  }

  /** Suggests the streams that are live at this moment, then those that were watched here before. */
  async #showStreams() {
    // A server that does not answer is told of by the connection; names can be typed.
    const { streams: live } = await new SessionApi().streams().catch(() => ({ streams: /** @type {string[]} */ ([]) }));
    const before = knownStreams().filter((name) => !live.includes(name));
    const options = [...live.map((name) => new Option("live now", name)), ...before.map((name) => new Option("watched before", name))];
    byId("known-streams", HTMLDataListElement).replaceChildren(...options);
    publishState({ liveStreams: live.length });
  }
}

function knownStreams() {
  return preference(STREAMS, "").split("\n").filter((name) => name !== "");
}

/** People see themselves as in a mirror, and others as they stand. */
function mirrorKey() {
  return remoteChosen.checked ? "realtime.mirror_remote" : "realtime.mirror_camera";
}
