// @ts-check
// A session's kept report in; how well it was recorded, as a detail, out.

import { element } from "../element.js";
import { byId, publishState } from "./dom.js";
import { judge } from "./realtime_quality.js";

/** @typedef {import("../session_api.js").SessionRecording} SessionRecording */

/**
 * Shows the report of a session, if it has one.
 * @param {SessionRecording} session
 */
export function showQuality(session) {
  const { report } = session;
  byId("quality", HTMLElement).hidden = !report;
  if (!report) return;
  const { verdict, findings, figures } = judge({ session, report });
  byId("quality-findings", HTMLElement).replaceChildren(...findings.map((finding) => element("li", finding)));
  byId("quality-findings", HTMLElement).hidden = findings.length === 0;
  byId("quality-figures", HTMLElement).replaceChildren(
    ...figures.map(([term, value]) => {
      const group = element("div");
      group.append(element("dt", term), element("dd", value));
      return group;
    }),
  );
  publishState({ quality: verdict });
}
