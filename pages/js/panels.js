// The monitoring page's views, one function each: from a report of GET /ai/usage to a chart and the table behind it.
import { bar, byId, el, replace, scrolling, setText, table } from "./dom.js";
import { brief, count, day, duration, hour, percent, roundUsd, unknown, usd } from "./format.js";
import { bars, before, chart, chartState, lines, ring, series } from "./charts.js";
import { nothing } from "./views.js";
import { drillDown } from "./drilldown.js";
import { errorTable } from "./overview.js";
import { filterParameters } from "./filters.js";
import { colour } from "./theme.js";

const successRate = (row) => (row.success + row.errors > 0 ? row.success / (row.success + row.errors) : null);
const sum = (rows, name) => rows.reduce((all, row) => all + row[name], 0);
const linkTo = (text, open) => el("button", {type: "button", class: "link", title: text, onclick: open}, text);
const notByLabel = (what) => nothing(`${what} counted for all requests together, not by label. Take the filter away to see this.`);

// What a drill-down from this report asks for: its days and its filter.
const within = (usage, more) => ({from: usage.range.from, to: usage.range.to, ...filterParameters(), ...more});
const drillDay = (date) => drillDown(`Requests of ${day(date)}`, {from: date, to: date, ...filterParameters()});

// ---- over time ----

export function showOverTime(usage, earlier) {
    const oneDay = usage.range.days === 1 && usage.byHour;
    if (oneDay) return showOneDay(usage);
    const rows = usage.overTime;
    const labels = rows.map((row) => day(row.date));
    const open = (event, found) => found.length && drillDay(rows[found[0].index].date);
    const then = (name) => earlier ? [before("The period before", earlier.overTime.map((row) => row[name]))] : [];
    const dateColumn = {title: "Day", value: (row) => linkTo(row.date, () => drillDay(row.date))};
    const column = (title, name, format) => ({title, number: true, value: (row) => format(row[name])});

    chart("requests-chart",
        () => lines(labels, [series("Requests", rows.map((row) => row.requests), "--c-blue"), series("Errors", rows.map((row) => row.errors), "--c-red"), ...then("requests")], count, {onClick: open}),
        `Requests over time: ${count(sum(rows, "requests"))} in ${rows.length} days, at most ${count(Math.max(...rows.map((row) => row.requests)))} a day`,
        [dateColumn, column("Requests", "requests", count), column("Success", "success", count), column("Errors", "errors", count),
            column("Blocked", "blocked", count), column("Aborted", "aborted", count), column("Cached", "cached", count), column("Average", "avgDurationMs", duration)], rows);
    chart("cost-chart",
        () => lines(labels, [series("Cost", rows.map((row) => row.cost), "--c-orange", {fill: "origin", backgroundColor: colour("--c-orange-area")}),
            series("Saved by caching", rows.map((row) => row.saved), "--c-green", {fill: "origin", backgroundColor: colour("--c-green-area")}), ...then("cost")], usd, {onClick: open, tick: roundUsd}),
        `Cost over time: ${usd(sum(rows, "cost"))} spent and ${usd(sum(rows, "saved"))} saved in ${rows.length} days`,
        [dateColumn, column("Cost", "cost", usd), column("Saved", "saved", usd), column("Wasted", "wasted", usd), column("Tokens", "tokensUsed", count)], rows);
}

// A single day is shown by its hours; savings are not counted by the hour.
function showOneDay(usage) {
    const rows = usage.byHour;
    const labels = rows.map((row) => hour(row.hour));
    // Of today, the hours that have begun: the others are not 0 but yet to come.
    const isToday = usage.generatedAt.slice(0, 10) === usage.range.to;
    const begun = isToday ? Number(usage.generatedAt.slice(11, 13)) : 23;
    const column = (name) => rows.map((row) => (row.hour <= begun ? row[name] : null));
    const columns = [{title: "Hour", value: (row) => hour(row.hour)}, {title: "Requests", number: true, value: (row) => count(row.requests)},
        {title: "Errors", number: true, value: (row) => count(row.errors)}, {title: "Cost", number: true, value: (row) => usd(row.cost)}];
    chart("requests-chart", () => lines(labels, [series("Requests", column("requests"), "--c-blue"), series("Errors", column("errors"), "--c-red")], count),
        `Requests over time: ${count(sum(rows, "requests"))} by the hour of ${day(usage.range.from)}`, columns, rows);
    chart("cost-chart", () => lines(labels, [series("Cost", column("cost"), "--c-orange", {fill: "origin", backgroundColor: colour("--c-orange-area")})], usd, {tick: roundUsd}),
        `Cost over time: ${usd(usage.totals.cost)} spent and ${usd(usage.totals.saved)} saved on ${day(usage.range.from)}, by the hour`, columns, rows);
}

// ---- features ----

const metrics = {
    requests: {of: (row) => row.requests, format: count, colour: "--c-blue", title: "Requests"},
    cost: {of: (row) => row.cost, format: usd, tick: roundUsd, colour: "--c-orange", title: "Cost"},
    success: {of: successRate, format: percent, colour: "--c-green", title: "Success rate", most: 1},
    p95: {of: (row) => row.p95DurationMs, format: duration, colour: "--c-purple", title: "p95 duration"},
};
const shownFeatures = 12;
let featuresOf = null;

export function showFeatures(usage) {
    featuresOf = usage;
    if (!usage.byFeature) return chartState("feature-chart", notByLabel("Features are"));
    if (!usage.byFeature.length) return chartState("feature-chart", nothing("No feature was used in this range."));
    chartState("feature-chart");
    const metric = metrics[document.querySelector("input[name=metric]:checked").value];
    const rows = usage.byFeature.slice(0, shownFeatures);
    const open = (row) => drillDown(`Requests of ${row.name}`, within(usage, {feature: row.name}));
    byId("feature-chart").parentElement.style.height = `${Math.max(312, rows.length * 30 + 40)}px`;
    chart("feature-chart",
        () => bars(rows.map((row) => row.name), [{...series(metric.title, rows.map(metric.of), metric.colour), borderWidth: 0, maxBarThickness: 18}], metric.format,
            {horizontal: true, most: metric.most, tick: metric.tick, onClick: (event, found) => found.length && open(rows[found[0].index])}),
        `Feature performance: ${metric.title.toLowerCase()} of ${usage.byFeature.length} features, ${rows[0].name} has most requests`,
        [{title: "Feature", value: (row) => linkTo(row.name, () => open(row))}, {title: "Requests", number: true, value: (row) => count(row.requests)},
            {title: "Cost", number: true, value: (row) => usd(row.cost)}, {title: "Saved", number: true, value: (row) => usd(row.saved)},
            {title: "Success", number: true, value: (row) => percent(successRate(row))}, {title: "p95", number: true, value: (row) => duration(row.p95DurationMs)}], usage.byFeature);
}

export function startPanels() {
    for (const input of document.querySelectorAll("input[name=metric]")) input.addEventListener("change", () => featuresOf && showFeatures(featuresOf));
}

// ---- hours ----

const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const heatSteps = 7;

export function showHours(usage) {
    if (!usage.byHour) {
        chartState("hours-chart", notByLabel("Hours are"));
        return replace(byId("heatmap"), notByLabel("Hours are"));
    }
    chartState("hours-chart");
    const rows = usage.byHour;
    const peak = rows.reduce((most, row) => (row.requests > most.requests ? row : most), rows[0]);
    chart("hours-chart", () => bars(rows.map((row) => hour(row.hour)), [{...series("Requests", rows.map((row) => row.requests), "--c-blue"), borderWidth: 0,
            backgroundColor: rows.map((row) => colour(row === peak ? "--c-orange" : "--c-blue"))}], count),
        `Peak hours: most requests, ${count(peak.requests)}, between ${hour(peak.hour)} and ${hour((peak.hour + 1) % 24)}`,
        [{title: "Hour", value: (row) => hour(row.hour)}, {title: "Requests", number: true, value: (row) => count(row.requests)},
            {title: "Errors", number: true, value: (row) => count(row.errors)}, {title: "Cost", number: true, value: (row) => usd(row.cost)}], rows);
    showHeatmap(usage.heatmap);
}

// A table that is its own picture: the deeper the colour, the more requests.
function showHeatmap(heatmap) {
    const most = Math.max(1, ...heatmap.flat());
    const step = (requests) => (requests === 0 ? 0 : Math.max(1, Math.ceil((requests / most) * heatSteps)));
    const head = Array.from({length: 24}, (_, h) => el("th", {scope: "col"}, el("span", {class: h % 3 ? "unseen" : ""}, String(h))));
    const cell = (weekday) => (requests, h) => el("td", {class: `heat-${step(requests)}`, title: `${weekday} ${hour(h)}: ${count(requests)} requests`},
        el("span", {class: "unseen"}, count(requests)));
    const picture = el("table", {class: "heatmap"},
        el("caption", {class: "unseen"}, "Requests by weekday and hour"),
        el("thead", {}, el("tr", {}, el("td", {}), head)),
        el("tbody", {}, heatmap.map((hours, i) => el("tr", {}, el("th", {scope: "row"}, weekdays[i]), hours.map(cell(weekdays[i]))))));
    const scale = Array.from({length: heatSteps}, (_, i) => el("span", {class: `heat-${i + 1}`}));
    replace(byId("heatmap"), scrolling("Requests by weekday and hour", picture),
        el("p", {class: "heat-scale"}, "0 ", scale, ` ${count(most)} requests in one hour of the week`));
}

// ---- how requests ended ----

export function showOutcomes(usage) {
    const parts = [
        {name: "Success", of: usage.successRate.success, colour: "--c-green", outcome: "ok"}, {name: "Error", of: usage.successRate.error, colour: "--c-red", outcome: "error,upstream_abort,interrupted"},
        {name: "Blocked", of: usage.successRate.blocked, colour: "--c-purple", outcome: "blocked"}, {name: "Aborted", of: usage.successRate.aborted, colour: "--c-yellow", outcome: "client_abort"},
    ];
    const all = parts.reduce((total, part) => total + part.of, 0);
    const open = (part) => drillDown(`Requests that ended in ${part.name.toLowerCase()}`, within(usage, {outcome: part.outcome}));
    replace(byId("outcome-legend"), parts.map((part) => el("li", {}, el("span", {class: `swatch ${part.name.toLowerCase()}`, "aria-hidden": "true"}),
        linkTo(part.name, () => open(part)), el("span", {class: "number"}, count(part.of)), el("span", {class: "number muted"}, percent(all ? part.of / all : null)))));
    setText(byId("outcome-rate"), percent(usage.totals.successRate));
    if (!all) return chartState("outcome-chart", nothing("No request in this range."));
    chartState("outcome-chart");
    chart("outcome-chart", () => ring(parts.map((part) => part.name), parts.map((part) => part.of), parts.map((part) => part.colour), count, (event, found) => found.length && open(parts[found[0].index])),
        `Success rate: ${percent(usage.totals.successRate)}; ${parts.map((part) => `${part.name.toLowerCase()} ${count(part.of)}`).join(", ")}`,
        [{title: "Ended in", value: (part) => part.name}, {title: "Requests", number: true, value: (part) => count(part.of)}, {title: "Share", number: true, value: (part) => percent(all ? part.of / all : null)}], parts);
}

// ---- lists ----

export function showUsers(usage) {
    const users = usage.topUsers;
    if (!users) return replace(byId("users"), notByLabel("Users are"));
    if (!users.length) return replace(byId("users"), nothing("Nobody has made a request in this range."));
    const most = users[0].requests;
    replace(byId("users"), scrolling("Top users", table("Top users", [
        {title: "User", value: (user) => linkTo(user.userId, () => drillDown(`Requests of ${user.userId}`, {from: usage.range.from, to: usage.range.to, user: user.userId}))},
        {title: "Plan", value: (user) => user.plan || unknown},
        {title: "Requests", number: true, value: (user) => bar(count(user.requests), user.requests / most)},
        {title: "Cost", number: true, value: (user) => usd(user.cost)},
        {title: "Tokens", number: true, value: (user) => brief(user.tokensUsed)}], users)));
}

function labelTable(usage, id, rows, kind, title) {
    if (!rows) return replace(byId(id), notByLabel(`${title}s are`));
    if (!rows.length) return replace(byId(id), nothing("Nothing in this range."));
    const most = rows[0].requests;
    replace(byId(id), scrolling(`${title}s`, table(`${title}s, most requests first`, [
        {title, value: (row) => linkTo(row.name, () => drillDown(`Requests of ${kind} ${row.name}`, within(usage, {[kind]: row.name})))},
        {title: "Requests", number: true, value: (row) => bar(count(row.requests), row.requests / most)},
        {title: "Cost", number: true, value: (row) => usd(row.cost)},
        {title: "Success", number: true, value: (row) => percent(successRate(row))},
        {title: "Average", number: true, value: (row) => duration(row.avgDurationMs)}], rows.slice(0, 20))));
}

export function showLabels(usage) {
    labelTable(usage, "models", usage.byModel, "model", "Model");
    labelTable(usage, "providers", usage.byProvider, "provider", "Provider");
    labelTable(usage, "plans", usage.byPlan, "plan", "Plan");
}

export function showLatency({totals}) {
    const rows = [["Average", totals.avgDurationMs], ["p50", totals.p50DurationMs], ["p95", totals.p95DurationMs], ["p99", totals.p99DurationMs]];
    const most = Math.max(...rows.map(([, ms]) => ms || 0));
    replace(byId("latency"), most
        ? table("Duration of requests", [{title: "Duration", value: ([name]) => name}, {title: "Time", number: true, value: ([, ms]) => bar(duration(ms), (ms || 0) / most, "purple")}], rows, {class: "bars"})
        : nothing("No request has reached the upstream in this range."));
}

export function showErrors(usage) {
    replace(byId("errors"), usage.topErrors ? errorTable(usage.topErrors, "Top errors", "No error in this range.") : notByLabel("Error messages are"));
}

export function showWaste(usage) {
    const {totals} = usage;
    const byFeature = (usage.byFeature || []).filter((row) => row.wasted > 0).sort((a, b) => b.wasted - a.wasted).slice(0, 8);
    const share = totals.cost > 0 ? totals.wasted / totals.cost : null;
    replace(byId("waste"),
        el("p", {class: "lead"}, el("strong", {}, usd(totals.wasted)), ` spent on ${count(totals.errors)} failed and ${count(totals.aborted)} aborted requests, ${percent(share)} of all cost.`),
        byFeature.length ? table("Waste by feature", [{title: "Feature", value: (row) => row.name}, {title: "Wasted", number: true, value: (row) => bar(usd(row.wasted), row.wasted / byFeature[0].wasted, "error")}], byFeature, {class: "bars"}) : null);
}
