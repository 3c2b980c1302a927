// @ts-check
// A judged recording in; what was recorded, how well, and the way to its replay out.

import { element } from "../element.js";
import { byId, publishState, setText } from "./dom.js";

/**
 * @typedef {import("../session_api.js").SessionRecording} SessionRecording
 * @typedef {import("./realtime_quality.js").Judgement} Judgement
 */

const VERDICTS = { good: "Good", attention: "Worth a look" };

/**
 * Shows a finished session and moves the focus to it.
 * @param {SessionRecording} session
 * @param {Judgement} judgement
 */
export function showReport(session, { verdict, summary, findings, figures }) {
  setText("verdict", VERDICTS[verdict]);
  byId("verdict", HTMLElement).dataset.verdict = verdict;
  setText("report-title", `Recorded “${session.name}”`);
  setText("report-summary", summary);
  byId("replay-link", HTMLAnchorElement).href = `/session_replay.html?session=${encodeURIComponent(session.id)}`;
  byId("report-findings", HTMLElement).replaceChildren(...findings.map((finding) => element("li", finding)));
  byId("report-findings", HTMLElement).hidden = findings.length === 0;
  byId("report-figures", HTMLElement).replaceChildren(
    ...figures.map(([term, value]) => {
      const group = element("div");
      group.append(element("dt", term), element("dd", value));
      return group;
    }),
  );
  publishState({ verdict });
  byId("report", HTMLElement).hidden = false;
  byId("report-title", HTMLElement).focus();
}

export function hideReport() {
  byId("report", HTMLElement).hidden = true;
}
