// The first page: today and this month at a glance, how well it goes, and the newest requests.
import { bar, byId, el, replace, table } from "./dom.js";
import { brief, count, duration, percent, usd } from "./format.js";
import { coverage, emptyState, nothing, setTile, tile, trend } from "./views.js";
import { recentTable } from "./activity.js";
import { showEntry } from "./drilldown.js";

const overviewTiles = [
    ["AI requests today", "requests-today"], ["AI requests this month", "requests-month"], ["AI requests in all", "requests-total"],
    ["Success rate today", "success-today"], ["Cost today", "cost-today"], ["Cost this month", "cost-month"],
    ["Saved by caching today", "saved-today"], ["Cached today", "cached-today"],
];

function showTiles(stats, overview) {
    const {today, month, trends, quality} = overview;
    setTile("requests-today", count(stats.aiRequestsToday), trend(trends.requests.changePct, "vs yesterday"));
    setTile("requests-month", count(stats.aiRequestsThisMonth), trend(trends.requests.monthChangePct, "vs last month"));
    setTile("requests-total", count(stats.aiRequestsTotal), `${brief(month.activeUsers)} users this month`);
    setTile("success-today", percent(today.successRate), `${count(today.errors)} errors`, trends.errors.changePct !== null && trend(trends.errors.changePct, "vs yesterday", "down"));
    setTile("cost-today", usd(stats.costToday), trend(trends.cost.changePct, "vs yesterday"));
    setTile("cost-month", usd(stats.costThisMonth), trend(trends.cost.monthChangePct, "vs last month"));
    setTile("saved-today", usd(today.saved), `${usd(month.saved)} this month`);
    setTile("cached-today", count(stats.cachedToday), `${percent(quality.cacheHitRate)} of successes`);
    replace(byId("coverage-today"), coverage(today.coverage));
    replace(byId("coverage-month"), coverage(month.coverage));
}

function showQuality({today, trends, quality}) {
    const row = (label, value, note) => el("div", {}, el("dt", {}, label), el("dd", {}, value, note ? el("span", {class: "muted"}, " ", note) : null));
    replace(byId("quality"),
        row("Error rate", percent(quality.errorRate)),
        row("Blocked, aborted", `${count(today.blocked)}, ${count(today.aborted)}`),
        row("Average duration", duration(today.avgDurationMs), trend(trends.avgDurationMs.changePct, "vs yesterday", "down")),
        row("p50", duration(quality.p50DurationMs)), row("p95", duration(quality.p95DurationMs)), row("p99", duration(quality.p99DurationMs)),
        row("First byte, average", duration(quality.avgTtftMs)),
        row("Tokens", brief(today.tokensUsed)),
        row("Estimated requests", percent(quality.estimatedRate)),
        row("Wasted on failures", usd(today.wasted)),
        row("Active users", count(today.activeUsers)));
}

function showAnswers({byStatus, topErrors}) {
    const all = Object.values(byStatus).reduce((sum, times) => sum + times, 0);
    const kind = (status) => (status === "499" ? "aborted" : status[0] === "2" || status[0] === "3" ? "success" : "error");
    const rows = Object.entries(byStatus).sort((a, b) => b[1] - a[1]);
    replace(byId("statuses"), rows.length
        ? table("Answers by status today", [
            {title: "Status", value: ([status]) => bar(status, byStatus[status] / all, kind(status))},
            {title: "Requests", number: true, value: ([, times]) => count(times)}], rows, {class: "bars"})
        : nothing("No answer yet today."));
    replace(byId("errors"), errorTable(topErrors, "Top errors today", "No error today."));
}

export function errorTable(errors, caption, none) {
    if (!errors.length) return nothing(none);
    return table(caption, [
        {title: "Message", value: (error) => el("span", {class: "message"}, error.message)},
        {title: "Times", number: true, value: (error) => count(error.count)}], errors);
}

export function startOverview() {
    replace(byId("tiles"), overviewTiles.map(([label, id]) => tile(label, id)));
    let shown = "";
    return ({stats, overview}) => {
        if (!stats || !overview) return;
        const now = JSON.stringify([stats, overview]);
        if (now === shown) return; // what is selected or read just now stays
        shown = now;
        if (byId("main").getAttribute("aria-busy") === "true") performance.mark("figures"); // for who measures
        byId("main").setAttribute("aria-busy", "false");
        showTiles(stats, overview);
        showQuality(overview);
        showAnswers(overview.quality);
        replace(byId("activity"), stats.recentActivity.length ? recentTable(stats.recentActivity, showEntry) : emptyState());
    };
}
