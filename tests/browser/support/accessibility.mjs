// @ts-check
// Whether everybody can use a page: axe's rules, the keyboard's way through it, fingers, narrow screens.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { axeSource } from "./prerequisites.mjs";

/**
 * @typedef {import("playwright-core").Page} Page
 *
 * @typedef {object} Control an element that a user can operate, in the document or in an open shadow root
 * @property {string} path where it is, for people
 * @property {string} name what a screen reader calls it
 * @property {number} width of what a finger can hit, px
 * @property {number} height
 * @property {boolean} inText a link in running text
 * @property {boolean} tabbable whether the Tab key is to reach it
 *
 * @typedef {object} Probe what is put into the page
 * @property {() => (Control & { element: Element })[]} controls
 * @property {() => void} rememberLooks
 * @property {() => { at: number, path: string, shown: boolean }} focused
 */

const MAX_TAB_PRESSES = 200;
const FINGER_PX = 44;

/**
 * Fails with every violation that axe finds, each with its element and what to do.
 *
 * Besides axe's default rules it checks the size of targets (WCAG 2.2 AA).
 * @param {Page} page
 * @param {{ rules?: string[] }} [options] only these rules: after a change of colours `["color-contrast"]` is enough
 */
export async function assertAccessible(page, { rules } = {}) {
  await addAxe(page);
  const violations = await page.evaluate(async (only) => {
    // Colours that are on their way from one look to the other are nobody's: they are to be where they go.
    await new Promise((styled) => requestAnimationFrame(() => requestAnimationFrame(styled)));
    for (const animation of document.getAnimations()) {
      if (animation instanceof CSSTransition) animation.finish();
    }
    const { axe } = /** @type {any} */ (window);
    const { violations } = await axe.run(document, {
      resultTypes: ["violations"],
      ...(only ? { runOnly: { type: "rule", values: only } } : { rules: { "target-size": { enabled: true } } }),
    });
    return violations.map((/** @type {any} */ { id, impact, help, helpUrl, nodes }) => ({
      rule: `${id} (${impact}): ${help} ${helpUrl}`,
      nodes: nodes.map((/** @type {any} */ { target, html, failureSummary }) => `${target.flat().join(" >> ")}\n    ${html}\n    ${failureSummary.replaceAll("\n", "\n    ")}`),
    }));
  }, rules);
  const told = violations.map((/** @type {any} */ { rule, nodes }) => `${rule}\n  ${nodes.join("\n  ")}`).join("\n");
  assert.equal(violations.length, 0, `${await describeLook(page)}\n${told}`);
}

/**
 * Fails unless every control has a name, Tab reaches each of them in the order of the document, shows where it is, and comes
 * out at the end. Moves the focus.
 * @param {Page} page
 * @returns {Promise<string[]>} the names in Tab's order
 */
export async function assertKeyboardReaches(page) {
  await addProbe(page);
  const controls = await listControls(page);
  const nameless = controls.filter(({ name }) => name === "").map(({ path }) => path);
  assert.deepEqual(nameless, [], "controls without a name");

  await page.evaluate(() => {
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    /** @type {Probe} */ (/** @type {any} */ (window).posesessionProbe).rememberLooks();
  });
  /** @type {number[]} */
  const reached = [];
  const unseen = [];
  // Round once, from wherever the focus was.
  for (let presses = 0; presses < MAX_TAB_PRESSES; presses += 1) {
    await page.keyboard.press("Tab");
    const { at, shown } = await page.evaluate(() => /** @type {Probe} */ (/** @type {any} */ (window).posesessionProbe).focused());
    if (at < 0 || at === reached.at(-1)) continue;
    if (reached.includes(at)) break;
    if (!shown) unseen.push(controls[at].path);
    reached.push(at);
  }
  const first = reached.indexOf(Math.min(...reached));
  reached.push(...reached.splice(0, first));
  const paths = reached.map((at) => controls[at].path);
  const wanted = controls.flatMap(({ tabbable, path }) => (tabbable ? [path] : []));
  assert.deepEqual(wanted.filter((path) => !paths.includes(path)), [], "Tab does not reach these controls");
  assert.deepEqual(paths, [...reached].sort((a, b) => a - b).map((at) => controls[at].path), "Tab's order is not the page's");
  assert.deepEqual(unseen, [], "these controls do not show that they have the focus");
  return reached.map((at) => controls[at].name);
}

/**
 * Fails when a finger could not hit a control: anything but links in running text has 44 x 44 px.
 * @param {Page} page with touch (`Browser.start({ touch: true })`)
 */
export async function assertTouchable(page) {
  await addProbe(page);
  assert.equal(await page.evaluate(() => matchMedia("(pointer: coarse)").matches), true, "this browser has no coarse pointer");
  const small = (await listControls(page))
    .filter(({ width, height, inText }) => !inText && (width < FINGER_PX - 0.5 || height < FINGER_PX - 0.5))
    .map(({ path, name, width, height }) => `${path} "${name}": ${Math.round(width)} x ${Math.round(height)} px`);
  assert.deepEqual(small, [], `controls that are smaller than ${FINGER_PX} px`);
}

/**
 * Fails when the page is wider than the screen, and says what sticks out.
 * @param {Page} page
 */
export async function assertNoSidewaysScroll(page) {
  const { width, content, wide } = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > width + 1)
      .map((element) => `${element.tagName.toLowerCase()}${element.id && `#${element.id}`}${[...element.classList].map((name) => `.${name}`).join("")}`);
    return { width, content: document.documentElement.scrollWidth, wide };
  });
  assert.ok(content <= width, `the page is ${content} px wide on a screen of ${width}: ${wide.slice(0, 8).join(", ")}`);
}

/** @param {Page} page */
async function addAxe(page) {
  // Evaluated through the browser's debugger, which the page's security policy does not bind.
  if (await page.evaluate(() => !("axe" in window))) await page.evaluate(readFileSync(axeSource(), "utf8"));
}

/** @param {Page} page */
function describeLook(page) {
  return page.evaluate(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    return `${location.pathname}, ${scheme}, ${innerWidth} px wide, state ${JSON.stringify(document.documentElement.dataset)}:`;
  });
}

/**
 * @param {Page} page
 * @returns {Promise<Control[]>}
 */
function listControls(page) {
  return page.evaluate(() =>
    /** @type {Probe} */ (/** @type {any} */ (window).posesessionProbe).controls().map(({ element: _element, ...control }) => control),
  );
}

/** @param {Page} page */
async function addProbe(page) {
  await addAxe(page);
  await page.evaluate(() => {
    const CONTROLS =
      "a[href], area[href], button, input:not([type=hidden]), select, textarea, summary, video[controls], [contenteditable=true], " +
      "[tabindex], [role=button], [role=slider], [role=tab], [role=switch], [role=checkbox], [role=menuitem]";

    /** @param {Element} element */
    const rootHost = (element) => {
      const root = element.getRootNode();
      return root instanceof ShadowRoot ? root.host : null;
    };

    /** @param {Element} element @returns {string} */
    const pathOf = (element) => {
      const host = rootHost(element);
      const id = element.id ? `#${element.id}` : [...element.classList].map((name) => `.${name}`).join("");
      const action = element.getAttribute("data-action") ?? element.getAttribute("name");
      const near = element.id ? null : element.closest("[data-session-id], [id]");
      const where = host ? `${pathOf(host)} >> ` : near && near !== element ? `${near.id ? `#${near.id}` : near.tagName.toLowerCase()} ` : "";
      return `${where}${element.tagName.toLowerCase()}${id}${action ? `[${action}]` : ""}`;
    };

    /** @param {Document | ShadowRoot | Element} root @param {Element[]} found */
    const collect = (root, found) => {
      for (const element of root.querySelectorAll("*")) {
        if (element.matches(CONTROLS)) found.push(element);
        if (element.shadowRoot) collect(element.shadowRoot, found);
      }
      return found;
    };

    /** @param {Element} element */
    const behindDialog = (element) => {
      const dialog = document.querySelector("dialog:modal");
      for (let at = /** @type {Element | null} */ (element); dialog && at; at = rootHost(at)) if (dialog.contains(at)) return false;
      return dialog !== null;
    };

    /** @param {Element} element */
    const isUsable = (element) =>
      element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) &&
      !element.matches(":disabled") &&
      !element.closest("[inert]") &&
      !behindDialog(element);

    /** Of a group of radio buttons Tab reaches one. @param {Element} element */
    const isTabbable = (element) => {
      if (/** @type {HTMLElement} */ (element).tabIndex < 0) return false;
      if (!(element instanceof HTMLInputElement) || element.type !== "radio" || element.name === "") return true;
      const scope = /** @type {Document | ShadowRoot | HTMLFormElement} */ (element.form ?? element.getRootNode());
      const group = [...scope.querySelectorAll("input[type=radio]")].filter((other) => /** @type {HTMLInputElement} */ (other).name === element.name);
      const checked = group.find((other) => /** @type {HTMLInputElement} */ (other).checked);
      return element === (checked ?? group[0]);
    };

    /** What a finger can hit: a field together with its label, a link with what it lays over a card. @param {Element} element */
    const target = (element) => {
      const boxes = [element, ...(/** @type {HTMLInputElement} */ (element).labels ?? [])]
        .filter((part) => part.checkVisibility())
        .map((part) => part.getBoundingClientRect());
      const { content, position, width, height } = getComputedStyle(element, "::after");
      if (content !== "none" && position === "absolute") boxes.push(new DOMRect(0, 0, parseFloat(width), parseFloat(height)));
      return { width: Math.max(...boxes.map(({ width }) => width)), height: Math.max(...boxes.map(({ height }) => height)) };
    };

    /** @param {Element} element */
    const isInText = (element) => {
      if (!element.matches("a, summary") || getComputedStyle(element).display !== "inline") return false;
      return [...(element.parentNode?.childNodes ?? [])].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim());
    };

    const controls = () => {
      const { axe } = /** @type {any} */ (window);
      axe.setup(document);
      try {
        return collect(document, [])
          .filter(isUsable)
          .filter((element) => element.matches("a, area, button, input, select, textarea, summary, video, [role]") || /** @type {HTMLElement} */ (element).tabIndex >= 0)
          .map((element) => ({
            element,
            path: pathOf(element),
            name: String(axe.commons.text.accessibleText(element)).trim(),
            ...target(element),
            inText: isInText(element),
            tabbable: isTabbable(element),
          }));
      } finally {
        axe.teardown();
      }
    };

    /** A control may show its focus on its label or on the card that it stands for. @param {Element} element */
    const look = (element) => {
      const parts = [element, element.parentElement, element.closest("li, tr, article"), ...(/** @type {HTMLInputElement} */ (element).labels ?? [])].filter((part) => part !== null);
      return parts
        .map((part) => {
          const { outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor, textDecorationLine } = getComputedStyle(part);
          const outline = outlineStyle === "none" || outlineWidth === "0px" ? "" : `${outlineStyle} ${outlineWidth}`;
          return [outline, boxShadow, borderColor, backgroundColor, textDecorationLine].join("|");
        })
        .join(" ");
    };

    /** How each control looked when it did not have the focus. @type {WeakMap<Element, string>} */
    const looks = new WeakMap();

    /** @type {Probe} */
    const probe = {
      controls,
      rememberLooks: () => {
        for (const { element } of controls()) looks.set(element, look(element));
      },
      focused: () => {
        let element = document.activeElement;
        while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
        if (!element || element === document.body) return { at: -1, path: "body", shown: true };
        const at = controls().findIndex((control) => control.element === element);
        return { at, path: pathOf(element), shown: looks.get(element) !== look(element) };
      },
    };
    Object.assign(window, { posesessionProbe: probe });
  });
}
