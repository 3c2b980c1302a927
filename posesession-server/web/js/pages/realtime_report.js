// @ts-check
// What was recorded and how well, in words.

import { formatBytes, formatTime } from "../format.js";
import { byId, element, setText } from "./dom.js";

/** @typedef {import("../session_api.js").SessionRecording} SessionRecording */

/**
 * Shows a finished session with its quality report and the way to its replay.
 * @param {SessionRecording} session
 * @param {Record<string, any>} report
 */
export function showReport(session, report) {
  setText("report-title", `Recorded “${session.name}”`);
  byId("replay-link", HTMLAnchorElement).href = `/session_replay.html?session=${encodeURIComponent(session.id)}`;
  byId("report-figures", HTMLElement).replaceChildren(
    ...figures(session, report).map(([term, value]) => {
      const group = element("div");
      group.append(element("dt", term), element("dd", value));
      return group;
    }),
  );
  byId("report", HTMLElement).hidden = false;
  byId("report-title", HTMLElement).focus();
}

/**
 * @param {SessionRecording} session
 * @param {Record<string, any>} report
 * @returns {[string, string][]}
 */
function figures(session, report) {
  const refused = Object.entries(/** @type {Record<string, number>} */ (report.refused ?? {})).filter(([, count]) => count > 0);
  /** @type {[string, string][]} */
  const always = [
    ["Duration", formatTime(session.duration)],
    ["Frames stored", count(report.stored ?? session.frame_count)],
    ["Frames/s", Number.isFinite(report.frame_rate) ? report.frame_rate.toFixed(1) : "–"],
    ["Jitter", Number.isFinite(report.jitter_ms) ? `${report.jitter_ms.toFixed(1)} ms` : "–"],
    ["Largest gap", Number.isFinite(report.largest_gap) ? `${report.largest_gap.toFixed(2)} s` : "–"],
    ["Missing", count(report.missing ?? 0)],
  ];
  /** @type {[string, number | undefined][]} */
  const seldom = [
    ["Late", report.late],
    ["Duplicate", report.duplicate],
    ["Conflicting", report.conflict],
    ["While paused", report.paused],
    ["Reordered", report.reordered],
    ["Clock jumps", report.clock_jumps],
    ...refused.map(([code, times]) => /** @type {[string, number]} */ ([`Refused: ${code}`, times])),
  ];
  const happened = seldom.flatMap(([term, value]) => (value ? [/** @type {[string, string]} */ ([term, count(value)])] : []));
  const size = report.video_stored_bytes ? [/** @type {[string, string]} */ (["Video", formatBytes(report.video_stored_bytes)])] : [];
  return [...always, ...happened, ...size];
}

/** @param {number} value */
function count(value) {
  return value.toLocaleString();
}
