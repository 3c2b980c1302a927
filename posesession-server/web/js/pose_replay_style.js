// @ts-check
// The look of <pose-replay> within its shadow root. Pages set its size, and change colours by `::part()` and the properties named here.

export const STYLE = `
:host {
  display: flex;
  flex-direction: column;
  position: relative;
  overflow: hidden;
  background: var(--pose-replay-stage, #0e1114);
  color: #f2f4f5;
  font: 1rem/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}

:host([hidden]),
[hidden] {
  display: none !important;
}

.panes {
  display: grid;
  flex: 1 1 auto;
  grid-auto-rows: minmax(0, 1fr);
  gap: 2px;
  min-height: 0;
}

:host([picture="beside"]) .panes:not(:has(#picture[hidden])) {
  grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
}

.pane {
  position: relative;
  aspect-ratio: 4 / 3;
  place-self: stretch;
  min-width: 0;
  min-height: 0;
  overflow: hidden;
}

.pane > * {
  position: absolute;
  inset: 0;
  width: 100%;
  height: 100%;
}

.pane > :is(video, img) {
  object-fit: contain;
}

:host([mirrored]) .pane > :is(video, img) {
  transform: scaleX(-1);
}

:host([adjustable]) #overlay {
  cursor: grab;
  touch-action: none;
}

:host([adjustable]) #overlay.held {
  cursor: grabbing;
}

.note {
  display: grid;
  place-items: center;
  box-sizing: border-box;
  margin: 0;
  padding: 1rem;
  text-align: center;
}

.note:empty {
  display: none;
}

#message {
  position: absolute;
  inset: auto 0 0;
  margin: 0;
  padding: 0.6rem 1rem;
  background: rgb(8 9 11 / 78%);
  color: #f2f4f5;
  text-align: center;
  overflow-wrap: anywhere;
}
`;
