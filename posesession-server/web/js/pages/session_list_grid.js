// @ts-check
// Where the focus goes among cards that stand in rows and columns.

/** @typedef {import("./session_list_card.js").SessionCard} SessionCard */

/**
 * Finds the card that a step leads to.
 * @param {SessionCard[]} cards in order
 * @param {SessionCard | null} from
 * @param {"next" | "previous" | "up" | "down"} step
 * @returns {SessionCard | null} null: there is none
 */
export function neighbour(cards, from, step) {
  if (!from) return cards[0] ?? null;
  const at = cards.indexOf(from);
  if (step === "next") return cards[at + 1] ?? null;
  if (step === "previous") return cards[at - 1] ?? null;
  const there = from.element.getBoundingClientRect();
  const beyond = step === "down" ? cards.slice(at + 1) : cards.slice(0, at).reverse();
  // The first one that stands in another row tells which row; in it the one in the same column is taken.
  const row = beyond.map((card) => ({ card, box: card.element.getBoundingClientRect() })).filter(({ box }) => Math.abs(box.top - there.top) > 1);
  const nearest = row
    .filter(({ box }) => Math.abs(box.top - row[0].box.top) <= 1)
    .sort((a, b) => Math.abs(a.box.left - there.left) - Math.abs(b.box.left - there.left));
  return nearest[0]?.card ?? null;
}
