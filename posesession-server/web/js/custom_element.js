// @ts-check
// What a custom element needs of a browser. Programs without a page can import the library all the same.

/** @type {typeof HTMLElement} */
export const ElementBase = globalThis.HTMLElement ?? /** @type {unknown} */ (class {});

/**
 * Makes an element known to pages, once, however often its module was loaded.
 * @param {string} name
 * @param {CustomElementConstructor} element
 */
export function define(name, element) {
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}

/**
 * Makes the style of all shadow roots of an element; none without a page.
 * @param {string} rules
 * @returns {CSSStyleSheet[]}
 */
export function sharedStyle(rules) {
  if (!globalThis.CSSStyleSheet) return [];
  const style = new CSSStyleSheet();
  style.replaceSync(rules);
  return [style];
}
