// Pieces that both pages are made of: tiles, coverage, and what is shown when there is nothing to show.
import { el, replace, setText } from "./dom.js";
import { change, percent, unknown } from "./format.js";
import { advice, curlLine } from "./request.js";

// ---- a figure with its change ----

// An arrow and a percentage; `good` says which way is welcome: "up", "down" or "" for neither.
export function trend(pct, against, good = "", unit = "%") {
    if (pct === null || pct === undefined) return el("span", {class: "trend"}, `${unknown} ${against}`);
    const way = pct >= 0.05 ? "up" : pct <= -0.05 ? "down" : "even";
    const arrow = {up: "▲", down: "▼", even: "▬"}[way];
    const mood = way === "even" || !good ? "" : way === good ? "good" : "bad";
    return el("span", {class: `trend ${mood}`},
        el("span", {"aria-hidden": "true"}, arrow), el("span", {class: "unseen"}, {up: "up ", down: "down ", even: ""}[way]),
        ` ${change(pct, unit)} ${against}`);
}

// One tile of a row: made once, and updated in place, so that a screen reader keeps its place.
export function tile(label, id) {
    return el("div", {class: "tile", id},
        el("dt", {}, label), el("dd", {class: "value"}, unknown), el("dd", {class: "note"}));
}
export function setTile(id, value, ...notes) {
    const made = document.getElementById(id);
    setText(made.querySelector(".value"), value);
    replace(made.querySelector(".note"), notes.filter(Boolean).flatMap((note, i) => (i ? [el("span", {class: "dot", "aria-hidden": "true"}, " · "), note] : [note])));
}

// How much of a total is known: a total without it could be taken for more than it is.
export function coverage(of) {
    const part = (label, rate, why) =>
        el("li", {title: why}, el("span", {class: "coverage-label"}, label), " ", el("span", {class: rate !== null && rate < 0.95 ? "partial" : ""}, percent(rate)));
    return el("ul", {class: "coverage", "aria-label": "Coverage of these totals"},
        part("priced", of.priced, "requests whose cost is known; the others are not in the sum"),
        part("usage known", of.usageKnown, "requests whose answer stated its tokens; the others are estimated or none"),
        part("identified", of.identified, "requests whose user is known"));
}

// ---- nothing to show ----

export function emptyState() {
    return el("div", {class: "state empty"},
        el("p", {class: "state-title"}, "No request has passed yet"),
        el("p", {}, "Send one through aimeter, and it appears here within a second or two:"),
        el("pre", {class: "code", tabindex: "0", "aria-label": "curl line to try"}, curlLine()));
}

export const nothing = (text) => el("p", {class: "state"}, text);
export const loading = (text = "Loading …") => el("p", {class: "state loading"}, text);

// ---- notices above the page ----

const notices = new Map();
export function notice(key, kind, title, text) {
    const box = document.getElementById("notices");
    const said = `${title} ${text}`;
    if (notices.get(key)?.said === said) return;
    dismiss(key);
    const made = el("div", {class: `notice ${kind}`, "data-key": key}, el("strong", {}, title), " ", el("span", {}, text),
        kind === "alert" ? el("button", {type: "button", class: "plain", onclick: () => dismiss(key)}, "Dismiss") : null);
    notices.set(key, {made, said});
    box.append(made);
}
export function dismiss(key) {
    notices.get(key)?.made.remove();
    notices.delete(key);
}
export function noticeOfFailure(key, failure) {
    notice(key, "error", failure.status === 503 ? "Redis is away." : "The figures could not be read.", advice(failure));
}
