// @ts-check
// <pose-replay session="ID">: a recorded session in, its pose over the live webcam out, with the interface of a media element.

import { possiblePlacement } from "./canvas_mapping.js";
import { define, sharedStyle } from "./custom_element.js";
import { STYLE } from "./pose_replay_style.js";
import { RecordedPicture } from "./recorded_picture.js";
import { CONTROLS_STYLE, makeControls } from "./replay_controls.js";
import { ReplayMediaElement } from "./replay_media.js";
import { ReplayStage } from "./replay_stage.js";
import { StageGestures } from "./stage_gestures.js";
import { WebcamLayer } from "./webcam_layer.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./body_fit.js").Torso} Torso
 * @typedef {import("./canvas_mapping.js").Placement} Placement
 * @typedef {import("./canvas_mapping.js").Size} Size
 */

/** Where neither the recording nor a webcam says what the picture's shape was. */
const USUAL_SIZE = { width: 640, height: 480 };

/** A frame is late when it is so far behind the clock. */
const LATE_S = 0.3;

const style = sharedStyle(STYLE + CONTROLS_STYLE);

export class PoseReplayElement extends ReplayMediaElement {
  static observedAttributes = ["session", "server", "loop", "webcam", "mirrored", "picture", "adjustable", "controls"];

  #webcamVideo = layer("video", "webcam");
  #canvas = layer("canvas", "overlay");
  #messageLine = layer("p", "message");
  #stagePane = layer("div", "stage");
  #stage = new ReplayStage(this.#canvas);
  #gestures = new StageGestures(this.#canvas, () => this.#stage.placement, (placement) => this.#place(placement));
  #poseOpacity = 1;
  #picturePane = layer("div", "picture");
  #picture = new RecordedPicture(this.#picturePane, () => this.dispatchEvent(new Event("picturechange")));
  /** Which recording's picture is shown. */
  #pictured = "";
  /** @type {HTMLElement | null} */
  #controls = null;
  #webcam = new WebcamLayer(this.#webcamVideo, () => this.#webcamChanged());

  constructor() {
    super();
    Object.assign(this.#webcamVideo, { muted: true, playsInline: true });
    this.#webcamVideo.ariaHidden = "true";
    this.#canvas.role = "img";
    this.#messageLine.role = "status";
    this.#messageLine.hidden = true;
    this.#stagePane.className = "pane";
    this.#picturePane.className = "pane";
    this.#stagePane.append(this.#webcamVideo, this.#canvas);
    const panes = document.createElement("div");
    panes.className = "panes";
    panes.append(this.#stagePane, this.#picturePane);
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = style;
    root.append(panes, this.#messageLine);
    this.#webcamVideo.addEventListener("resize", () => this.#shapeChanged());
  }

  get mirrored() {
    return this.hasAttribute("mirrored");
  }

  /** Whether webcam, picture and pose are shown as a mirror shows them. */
  set mirrored(mirrored) {
    this.toggleAttribute("mirrored", mirrored);
  }

  get controls() {
    return this.hasAttribute("controls");
  }

  /** Whether there is a bar to play, scrub, mirror and fill the screen with. */
  set controls(controls) {
    this.toggleAttribute("controls", controls);
  }

  get webcam() {
    return this.hasAttribute("webcam");
  }

  /** Whether the live webcam is wanted under the pose. */
  set webcam(webcam) {
    this.toggleAttribute("webcam", webcam);
  }

  get webcamState() {
    return this.#webcam.state;
  }

  get webcamError() {
    return this.#webcam.error;
  }

  /** The video element with the live webcam, for whoever looks for a body in it. */
  get webcamVideo() {
    return this.#webcamVideo;
  }

  /** @returns {"none" | "beside" | "below"} */
  get picture() {
    const picture = this.getAttribute("picture");
    return picture === "beside" || picture === "below" ? picture : "none";
  }

  /** Where the recorded picture is shown, if there is one. */
  set picture(picture) {
    this.setAttribute("picture", picture);
  }

  /** What the recorded picture is shown from; "none" until it is. */
  get pictureKind() {
    return this.#picture.kind;
  }

  get adjustable() {
    return this.hasAttribute("adjustable");
  }

  /** Whether the pose is moved by dragging it, and scaled by wheel or two fingers. */
  set adjustable(adjustable) {
    this.toggleAttribute("adjustable", adjustable);
  }

  /** 0 to 1 */
  get poseOpacity() {
    return this.#poseOpacity;
  }

  set poseOpacity(opacity) {
    this.#poseOpacity = Math.max(0, Math.min(1, Number(opacity) || 0));
    this.#canvas.style.opacity = String(this.#poseOpacity);
  }

  /** 1: the usual */
  get lineWidth() {
    return this.#stage.lineWidth;
  }

  set lineWidth(lineWidth) {
    this.#stage.lineWidth = Math.max(0.1, Math.min(10, Number(lineWidth) || 1));
  }

  /** Where the pose stands on the stage; scale 1, x 0, y 0: as recorded. @returns {Placement} */
  get placement() {
    return { ...this.#stage.placement };
  }

  /** @param {Partial<Placement>} placement what is absent stays */
  set placement(placement) {
    this.#place(possiblePlacement(placement, this.#stage.placement));
  }

  /**
   * Lays the pose over a live body, by its hips and shoulders; without rotation.
   * @param {Torso} torso `left_shoulder`, `right_shoulder`, `left_hip`, `right_hip` as far as they are seen, each [x, y] or
   *   [x, y, confidence], as parts of the stage as seen
   * @returns {boolean} whether there was enough to go by
   */
  fitTo(torso) {
    const placement = this.#stage.fit(torso);
    if (placement) this.#place(placement);
    return placement !== null;
  }

  /** What the drawing takes, for whoever measures it. */
  get statistics() {
    const { shownTimestamp, offsetMs } = this.#picture;
    return { ...this.#stage.statistics, picture_timestamp: shownTimestamp, picture_offset_ms: offsetMs };
  }

  connectedCallback() {
    this.#takeOver();
    this.#stage.start();
    this.#describe();
    if (this.webcam) void this.#webcam.open();
    this.connectMedia();
  }

  disconnectedCallback() {
    this.disconnectMedia();
    this.#webcam.close();
    this.#stage.stop();
    this.#showPicture();
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    switch (name) {
      case "mirrored":
        this.#stage.setMirrored(this.mirrored);
        this.#picture.setMirrored(this.mirrored);
        break;
      case "picture":
        this.#showPicture();
        break;
      case "adjustable":
        this.#gestures.enable(this.adjustable);
        break;
      case "controls":
        if (this.controls && !this.#controls) {
          this.#controls = makeControls(this);
          /** @type {ShadowRoot} */ (this.shadowRoot).append(this.#controls);
        }
        if (this.#controls) this.#controls.hidden = !this.controls;
        break;
      case "webcam":
        if (!this.webcam) this.#webcam.close();
        else if (this.isConnected) void this.#webcam.open();
        break;
      case "session":
      case "server":
      case "loop":
        this.changeMedia(name);
        break;
      default:
        break;
    }
  }

  /** @protected @override */
  recordingChanged() {
    this.#shapeChanged();
    if (!this.recording) this.#stage.setFrame(null);
    this.#describe();
    this.#showPicture();
  }

  /**
   * @protected
   * @override
   * @param {DecodedFrame} frame
   */
  frameChanged(frame) {
    const behind = (this.currentTime - frame.timestamp) * Math.sign(this.playbackRate);
    this.#stage.setFrame(frame, { late: this.status === "playing" && behind > LATE_S });
    this.#picture.setFrame(frame);
    if (this.status !== "playing") this.clockChanged();
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  /** @protected @override */
  clockChanged() {
    if (this.#pictured === "") return;
    const playing = this.status === "playing";
    const position = playing ? this.currentTime : this.frame?.timestamp ?? 0;
    this.#picture.follow({ position, rate: this.playbackRate, playing });
  }

  /** @protected @override */
  messageChanged() {
    const { message } = this;
    if (this.#messageLine.textContent !== message) this.#messageLine.textContent = message;
    this.#messageLine.hidden = message === "";
  }

  /** Heeds what a page set before this module was loaded: it would hide the accessors. */
  #takeOver() {
    for (const name of Object.getOwnPropertyNames(this).filter((own) => own in PoseReplayElement.prototype)) {
      const value = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
  }

  /** @param {Placement} placement */
  #place(placement) {
    const { scale, x, y } = this.#stage.placement;
    if (placement.scale === scale && placement.x === x && placement.y === y) return;
    this.#stage.placement = placement;
    this.dispatchEvent(new Event("placementchange"));
  }

  /** Follows what is wished for; what is shown already goes on. */
  #showPicture() {
    const recording = this.picture === "none" || !this.isConnected ? null : this.recording;
    const wanted = recording ? `${recording.id} ${recording.status}` : "";
    if (wanted === this.#pictured) {
      this.#picture.retry();
      return;
    }
    this.#pictured = wanted;
    if (!recording) {
      this.#picture.hide();
      return;
    }
    this.#picture.show(this.server, recording.id, this.skeleton, recordedSize(recording.metadata) ?? USUAL_SIZE);
    if (this.frame) this.#picture.setFrame(this.frame);
  }

  #webcamChanged() {
    this.#describe();
    this.dispatchEvent(new Event("webcamchange"));
  }

  #describe() {
    const name = this.recording?.name ?? "";
    this.#canvas.ariaLabel = `The recorded pose${name ? ` of ${name}` : ""}${this.#webcam.state === "live" ? " over the live webcam" : ""}`;
  }

  /** The recording's own shape keeps the body's proportions, whatever the webcam's is. */
  #shapeChanged() {
    const { videoWidth: width, videoHeight: height } = this.#webcamVideo;
    const size = recordedSize(this.recording?.metadata) ?? (width > 0 ? { width, height } : USUAL_SIZE);
    this.#stagePane.style.aspectRatio = `${size.width} / ${size.height}`;
    this.#stage.setSkeleton(this.skeleton, size);
  }
}

/**
 * Makes a piece of the shadow root that pages can style by its name.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} name
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function layer(tag, name) {
  const made = document.createElement(tag);
  made.id = name;
  made.setAttribute("part", name);
  return made;
}

/**
 * @param {Record<string, unknown> | undefined} metadata
 * @returns {Size | null}
 */
function recordedSize(metadata) {
  const width = Number(metadata?.image_width);
  const height = Number(metadata?.image_height);
  return width > 0 && height > 0 ? { width, height } : null;
}

define("pose-replay", PoseReplayElement);
