// The second page: what the requests of a range were. One report (GET /ai/usage) feeds all of its views.
import { byId, replace, setText } from "./dom.js";
import { brief, clock, count, day, percent, usd, useZone } from "./format.js";
import { ask } from "./request.js";
import { coverage, dismiss, emptyState, noticeOfFailure, setTile, tile, trend } from "./views.js";
import { filterParameters, includesToday, offerLabels, periodBefore, rangeParameters, selection, startFilters } from "./filters.js";
import { showFeatures, showHours, showLabels, showLatency, showOutcomes, showOverTime, showErrors, showUsers, showWaste } from "./panels.js";

const totalTiles = [
    ["Requests", "t-requests"], ["Cost", "t-cost"], ["Saved by caching", "t-saved"], ["Wasted on failures", "t-wasted"],
    ["Success rate", "t-success"], ["Cache hit rate", "t-cached"], ["Tokens", "t-tokens"], ["Active users", "t-users"],
];

function showTotals({totals}, earlier) {
    const known = (name) => earlier && totals[name] !== null && earlier.totals[name] !== null;
    const relative = (now, then) => (then ? ((now - then) / then) * 100 : null);
    const against = (name, good) => earlier ? trend(known(name) ? relative(totals[name], earlier.totals[name]) : null, "vs before", good) : null;
    const points = (name, good) => earlier ? trend(known(name) ? (totals[name] - earlier.totals[name]) * 100 : null, "vs before", good, "points") : null;
    setTile("t-requests", count(totals.requests), against("requests"));
    setTile("t-cost", usd(totals.cost), against("cost"));
    setTile("t-saved", usd(totals.saved), against("saved", "up"));
    setTile("t-wasted", usd(totals.wasted), against("wasted", "down"));
    setTile("t-success", percent(totals.successRate), points("successRate", "up"), `${count(totals.errors)} errors`);
    setTile("t-cached", percent(totals.cacheHitRate), points("cacheHitRate", "up"), `${count(totals.cached)} cached`);
    setTile("t-tokens", brief(totals.tokensUsed), against("tokensUsed"), `${brief(totals.inputTokens)} in, ${brief(totals.outputTokens)} out`);
    setTile("t-users", count(totals.activeUsers), totals.activeUsers === null ? "not counted by label" : against("activeUsers"));
    replace(byId("coverage"), coverage(totals.coverage));
}

function showAll(usage, earlier) {
    useZone(usage.timezone);
    const {range} = usage;
    const stretch = range.days === 1 ? day(range.from) : `${day(range.from)} to ${day(range.to)}`;
    setText(byId("stretch"), `${stretch}, ${range.days === 1 ? "one day" : `${range.days} days`}, ${usage.timezone}${earlier ? `; compared with ${day(earlier.range.from)} to ${day(earlier.range.to)}` : ""}`);
    setText(byId("filter-note"), selection.kind
        ? `Only ${selection.kind} “${selection.label}”. Hours, users, errors and the other labels are counted for all requests together and are not shown here.`
        : "");
    byId("filter-note").hidden = !selection.kind;
    showTotals(usage, earlier);
    showOverTime(usage, earlier);
    showFeatures(usage);
    showHours(usage);
    showOutcomes(usage);
    showUsers(usage);
    showLabels(usage);
    showLatency(usage);
    showErrors(usage);
    showWaste(usage);
}

export function startMonitoring() {
    replace(byId("totals"), totalTiles.map(([label, id]) => tile(label, id)));
    let latest = 0, lastTook = 0, lastAt = 0, shownOf = null, waiting = null, failed = false;

    async function load() {
        const mine = ++latest;
        clearTimeout(waiting);
        waiting = null;
        byId("main").setAttribute("aria-busy", "true");
        const began = performance.now();
        try {
            const usage = await ask("/ai/usage", {...rangeParameters(), ...filterParameters()});
            if (mine !== latest) return;
            const earlier = selection.compare ? await ask("/ai/usage", {...periodBefore(usage.range), ...filterParameters()}) : null;
            const names = usage.filter ? await ask("/ai/usage", rangeParameters()) : usage;
            if (mine !== latest) return;
            offerLabels(names);
            byId("empty").hidden = names.totals.requests !== 0;
            if (names.totals.requests === 0) replace(byId("empty"), emptyState());
            showAll(usage, earlier);
            setText(byId("as-of"), `As of ${clock(Date.now())}`);
            if (!lastAt) performance.mark("figures"); // for who measures
            dismiss("usage");
            failed = false;
        } catch (failure) {
            if (mine !== latest) return;
            noticeOfFailure("usage", failure);
            failed = failure.status !== 400;
        } finally {
            if (mine === latest) {
                byId("main").setAttribute("aria-busy", "false");
                lastTook = performance.now() - began;
                lastAt = Date.now();
            }
        }
    }

    startFilters(load);
    load();
    // New figures: the report is asked for again, the less often the more it costs, and never for a range that is over.
    return ({stats}) => {
        if (failed && byId("main").getAttribute("aria-busy") === "false") return load(); // the feed is back
        const now = stats && JSON.stringify([stats.aiRequestsTotal, stats.costThisMonth]);
        if (!now || now === shownOf) return;
        const first = shownOf === null;
        shownOf = now;
        if (first || !includesToday() || waiting !== null) return;
        waiting = setTimeout(load, Math.max(0, lastAt + Math.max(1500, 10 * lastTook) - Date.now()));
    };
}
