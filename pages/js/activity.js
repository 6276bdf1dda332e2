// Tables of requests, and one request with all its fields.
import { el, scrolling, table } from "./dom.js";
import { count, duration, exactMoment, moment, unknown, usd } from "./format.js";

const outcomeNames = {
    ok: "ok", error: "error", blocked: "blocked", client_abort: "client left", upstream_abort: "cut by upstream", interrupted: "interrupted",
};

function outcomeBadge(record) {
    const outcome = record.outcome || (record.success === false ? "error" : "ok");
    const failed = outcome === "ok" && record.success === false ? "error" : outcome;
    return el("span", {class: `badge ${failed}`}, outcomeNames[failed] || failed, record.cached ? el("span", {class: "unseen"}, ", cached") : null);
}

const cachedBadge = (record) => (record.cached ? el("span", {class: "badge cached"}, "cached") : "");
const orUnknown = (value) => (value === null || value === undefined || value === "" ? unknown : String(value));
const name = (value) => el("span", {class: "name", title: orUnknown(value)}, orUnknown(value));

// The general view's entries, newest first. `open(entry)` shows one.
export function recentTable(entries, open) {
    return scrolling("Recent activity", table("Recent activity, newest first", [
        {title: "Time", value: (entry) => el("button", {type: "button", class: "link", onclick: () => open(entry), title: exactMoment(entry.ts)}, moment(entry.ts))},
        {title: "User", value: (entry) => name(entry.userId)},
        {title: "Feature", value: (entry) => name(entry.feature)},
        {title: "Model", value: (entry) => name(entry.model)},
        {title: "Result", value: (entry) => [outcomeBadge(entry), " ", cachedBadge(entry)].filter(Boolean)},
        {title: "Cost", number: true, value: (entry) => usd(entry.cost)},
    ].map(flat), entries));
}

// Records of the detailed view.
export function recordTable(records, open) {
    return scrolling("Requests", table("Requests, newest first", [
        {title: "Time", value: (record) => el("button", {type: "button", class: "link", onclick: () => open(record), title: record.time}, moment(record.ts))},
        {title: "User", value: (record) => name(record.userId)},
        {title: "Feature", value: (record) => name(record.feature)},
        {title: "Model", value: (record) => name(record.aiModel)},
        {title: "Result", value: (record) => [outcomeBadge(record), " ", cachedBadge(record)].filter(Boolean)},
        {title: "Status", number: true, value: (record) => orUnknown(record.status)},
        {title: "Tokens", number: true, value: (record) => count(record.tokensUsed)},
        {title: "Cost", number: true, value: (record) => usd(record.cost)},
        {title: "Time taken", number: true, value: (record) => duration(record.requestDuration)},
    ].map(flat), records));
}

// A cell of several nodes stands in one span.
const flat = (column) => ({...column, value: (row) => {
    const made = column.value(row);
    return Array.isArray(made) ? el("span", {class: "together"}, made) : made;
}});

// Every field that is set, and the names of those that are not: absent is not 0.
export function allFields(record) {
    const fields = Object.entries(record);
    const set = fields.filter(([, value]) => value !== null && value !== "");
    const unset = fields.filter(([, value]) => value === null || value === "").map(([field]) => field);
    return el("div", {},
        el("dl", {class: "fields"}, set.map(([field, value]) => el("div", {}, el("dt", {}, field), el("dd", {}, String(value))))),
        unset.length ? el("p", {class: "muted small"}, `Not known: ${unset.join(", ")}.`) : null);
}
