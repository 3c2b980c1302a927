// @ts-check
// What a user chose, kept in this browser. Where it keeps nothing (private windows), the page starts with its defaults.

/**
 * @param {string} name such as `replay.mirrored`
 * @param {string} otherwise
 * @returns {string}
 */
export function preference(name, otherwise) {
  try {
    return localStorage.getItem(`posesession.${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/**
 * @param {string} name
 * @param {string | number | boolean} value
 */
export function setPreference(name, value) {
  try {
    localStorage.setItem(`posesession.${name}`, String(value));
  } catch {
    // The choice holds for this visit.
  }
}
