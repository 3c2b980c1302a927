// @ts-check
// Names in, small line drawings out; made as elements, so that they need no file, font or inline markup.

const SVG = "http://www.w3.org/2000/svg";

/** Paths on a grid of 24 x 24; `fill:` ones are filled in the text's colour. */
const PATHS = {
  play: ["fill:M7 4l13 8-13 8z"],
  pause: ["fill:M6 4h4v16H6zM14 4h4v16h-4z"],
  record: ["fill:M12 5a7 7 0 1 0 .01 0z"],
  stop: ["fill:M6 6h12v12H6z"],
  step_back: ["M18 5l-9 7 9 7z", "M6 5v14"],
  step_forward: ["M6 5l9 7-9 7z", "M18 5v14"],
  loop: ["M17 2l4 4-4 4", "M3 11V9a3 3 0 0 1 3-3h15", "M7 22l-4-4 4-4", "M21 13v2a3 3 0 0 1-3 3H3"],
  ping_pong: ["M7 8l-4 4 4 4", "M17 8l4 4-4 4", "M3 12h18"],
  mirror: ["M12 3v18", "M8 7l-5 10h5z", "M16 7l5 10h-5z"],
  fit: ["M4 9V4h5", "M20 9V4h-5", "M4 15v5h5", "M20 15v5h-5", "M12 8a1.5 1.5 0 1 0 .01 0z", "M12 11v3M9 12.5h6M12 14l-2 3M12 14l2 3"],
  webcam: ["M12 3a7 7 0 1 0 .01 0z", "M12 7.500a2.500 2.500 0 1 0 .01 0z", "M8 21h8"],
  video: ["M3 6h12v12H3z", "M15 10l6-3v10l-6-3"],
  full_screen: ["M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"],
  mark: ["M6 21V4", "M6 4h11l-2.500 4L17 12H6"],
  discard: ["M4 7h16", "M9 7V4h6v3", "M6 7l1 14h10l1-14", "M10 11v6M14 11v6"],
  edit: ["M4 20l1-5L16 4l4 4L9 19z", "M14 6l4 4"],
  download: ["M12 3v12", "M7 10l5 5 5-5", "M4 20h16"],
  search: ["M10.500 4a6.500 6.500 0 1 0 .01 0z", "M15.500 15.500L21 21"],
  backwards: ["fill:M21 5l-8 7 8 7z", "fill:M12 5l-8 7 8 7z"],
  link: ["M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700L12 7", "M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700L12 17"],
  help: ["M9 9a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400", "M12 17.500v.01"],
  close: ["M6 6l12 12M18 6L6 18"],
  previous: ["M15 5l-7 7 7 7"],
  next: ["M9 5l7 7-7 7"],
  reset: ["M4 4v6h6", "M4.500 10a8 8 0 1 1-.5 4"],
  settings: ["M4 7h9M17 7h3M4 17h3M11 17h9", "M15 4.800a2.200 2.200 0 1 0 .01 0z", "M9 14.800a2.200 2.200 0 1 0 .01 0z"],
};

/** @typedef {keyof typeof PATHS} IconName */

/**
 * Draws an icon; screen readers pass it over, the button's own text names it.
 * @param {IconName} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  drawing.dataset.icon = name;
  for (const described of PATHS[name]) {
    const filled = described.startsWith("fill:");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", filled ? described.slice("fill:".length) : described);
    if (filled) path.setAttribute("fill", "currentcolor");
    drawing.append(path);
  }
  return drawing;
}

/**
 * Puts an icon before a button's content, or another one in place of it.
 * @param {Element} button
 * @param {IconName} name
 */
export function setIcon(button, name) {
  const before = button.querySelector(":scope > svg.icon");
  if (before instanceof SVGSVGElement && before.dataset.icon === name) return;
  before?.remove();
  button.prepend(icon(name));
}

/**
 * Draws the icons that markup asks for by `data-icon`.
 * @param {ParentNode} root
 */
export function drawIcons(root) {
  for (const element of root.querySelectorAll("[data-icon]:not(svg)")) {
    setIcon(element, /** @type {IconName} */ (/** @type {HTMLElement} */ (element).dataset.icon));
  }
}
