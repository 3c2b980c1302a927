// @ts-check
// How the timeline looks: the page's own tokens where there are some, a plain look where there are none.

export const TIMELINE_STYLE = `
:host {
  --_accent: var(--accent, #0b5fa5);
  --_rail: var(--line, #d0d0ca);
  --_ink: var(--ink, #1b1e22);
  --_paper: var(--paper, #f7f7f5);
  --_mark: var(--mark, var(--record, #b9261f));
  --_warn: var(--warn, #7d5200);
  display: block;
  position: relative;
  min-width: 6rem;
  color: var(--_ink);
  font: var(--text-small, 0.8125rem) / 1.4 var(--font, system-ui, sans-serif);
}
[hidden] { display: none !important; }
.box { position: relative; }
.track {
  position: relative;
  height: var(--control, 2.75rem);
  border-radius: 0.375rem;
  cursor: pointer;
  touch-action: pan-y;
  user-select: none;
  -webkit-user-select: none;
  outline-offset: 0;
}
.track[aria-disabled="true"] { cursor: default; opacity: 0.5; }
.track:focus-visible, .handle:focus-visible { outline: 3px solid var(--_accent); }
.rail, .played, .range {
  position: absolute;
  top: calc(50% - 4px);
  right: 10px;
  left: 10px;
  height: 8px;
  border-radius: 4px;
  background: var(--_rail);
}
.played {
  overflow: hidden;
  background: none;
}
.played i {
  display: block;
  height: 100%;
  background: var(--_accent);
  transform-origin: left;
}
.range {
  top: calc(50% - 9px);
  right: auto;
  height: 18px;
  border-block: 2px solid var(--_accent);
  border-radius: 0;
  background: none;
  opacity: 0.9;
}
.live-end {
  position: absolute;
  top: calc(50% - 5px);
  right: 5px;
  width: 10px;
  height: 10px;
  border-radius: 50%;
  background: var(--record, #b9261f);
}
canvas.signs {
  position: absolute;
  inset: 0;
  width: 100%;
  height: 100%;
  pointer-events: none;
}
.playhead, .pointer {
  position: absolute;
  top: calc(50% - 9px);
  left: 10px;
  width: 0;
  pointer-events: none;
}
.playhead::before {
  content: "";
  position: absolute;
  left: -9px;
  width: 18px;
  height: 18px;
  box-sizing: border-box;
  border: 3px solid var(--_accent);
  border-radius: 50%;
  background: var(--surface, #fff);
}
.pointer::before {
  content: "";
  position: absolute;
  left: -1px;
  width: 2px;
  height: 18px;
  background: var(--_ink);
  opacity: 0.5;
}
.handle {
  position: absolute;
  top: 50%;
  left: -2px;
  width: 24px;
  height: 24px;
  border-radius: 4px;
  cursor: ew-resize;
  touch-action: none;
}
.handle::before {
  content: attr(data-letter);
  position: absolute;
  top: 9px;
  left: 50%;
  width: 18px;
  margin-left: -9px;
  border-radius: 4px;
  background: var(--_accent);
  color: var(--accent-ink, #fff);
  font-size: 0.6875rem;
  font-weight: 700;
  line-height: 15px;
  text-align: center;
}
.preview {
  position: absolute;
  bottom: calc(100% + 0.25rem);
  left: 0;
  z-index: 5;
  width: 11rem;
  padding: 0.375rem;
  border-radius: 0.5rem;
  background: var(--stage, #0e1114);
  color: var(--stage-ink, #f2f4f5);
  box-shadow: 0 0 0 1px rgb(255 255 255 / 25%), 0 4px 16px rgb(0 0 0 / 35%);
  text-align: center;
  pointer-events: none;
}
.preview canvas {
  display: block;
  width: 100%;
  height: 8rem;
}
.preview output {
  display: block;
  font-variant-numeric: tabular-nums;
  font-weight: 600;
}
.preview .label {
  display: block;
  overflow: hidden;
  overflow-wrap: anywhere;
  max-height: 2.8em;
}
@media (pointer: coarse) {
  .box.ranged { padding-bottom: 22px; }
  .handle {
    top: 22px;
    left: -12px;
    width: 44px;
    height: 44px;
  }
  .handle::before {
    top: 16px;
    width: 28px;
    margin-left: -14px;
    line-height: 22px;
  }
}
@media (forced-colors: active) {
  .rail, .played i { forced-color-adjust: none; }
}
`;
