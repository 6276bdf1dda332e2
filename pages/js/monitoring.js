// The second page: what the requests of a range were. One report (GET /ai/usage) feeds all of its views.
import { byId, replace, setText } from "./dom.js";
import { brief, clock, count, day, percent, usd, useZone } from "./format.js";
import { ask } from "./request.js";
import { coverage, dismiss, emptyState, noticeOfFailure, setTile, tile, trend } from "./views.js";
import { filterParameters, offerLabels, periodBefore, rangeParameters, selection, startFilters } from "./filters.js";
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
    let latest = 0, loading = false, failed = false, questions = null;
    let shown = null; // the newest report of all labels
    let told = null; // the newest of the feed
    let changed = false, waiting = null, lastTook = 0, lastAt = 0;

    async function load() {
        const mine = ++latest;
        questions?.abort(); // what was chosen before is not waited for
        questions = new AbortController();
        const report = (parameters) => ask("/ai/usage", parameters, questions.signal);
        clearTimeout(waiting);
        waiting = null;
        changed = false;
        loading = true;
        byId("main").setAttribute("aria-busy", "true");
        const began = performance.now();
        try {
            const usage = await report({...rangeParameters(), ...filterParameters()});
            const earlier = selection.compare ? await report({...periodBefore(usage.range), ...filterParameters()}) : null;
            const names = usage.filter ? await report(rangeParameters()) : usage;
            if (mine !== latest) return;
            offerLabels(names);
            byId("empty").hidden = names.totals.requests !== 0;
            if (names.totals.requests === 0) replace(byId("empty"), emptyState());
            showAll(usage, earlier);
            setText(byId("as-of"), `As of ${clock(Date.now())}`);
            if (!shown) {
                performance.mark("figures"); // for who measures
                changed ||= told !== null && isNewsOfToday(names, told);
            }
            shown = names;
            dismiss("usage");
            failed = false;
        } catch (failure) {
            if (mine !== latest) return;
            noticeOfFailure("usage", failure);
            failed = failure.status !== 400;
        } finally {
            if (mine === latest) {
                byId("main").setAttribute("aria-busy", "false");
                loading = false;
                lastTook = performance.now() - began;
                lastAt = Date.now();
                loadAgain();
            }
        }
    }
    // After a change, the less often the more a report costs. A report under way is not given up for it.
    function loadAgain() {
        if (!changed || loading || waiting !== null) return;
        waiting = setTimeout(load, Math.max(0, lastAt + Math.max(1500, 10 * lastTook) - Date.now()));
    }

    startFilters(load);
    load();
    // New figures: the report is asked for again, but not for a range that is over.
    return ({stats}) => {
        if (!stats) return;
        const before = told;
        told = stats;
        if (failed && !loading) return load(); // the feed is back
        if (shown && !reachesToday(shown)) return;
        if (before) changed ||= ["aiRequestsTotal", "aiRequestsToday", "costThisMonth"].some((name) => stats[name] !== before[name]);
        else changed ||= shown !== null && isNewsOfToday(shown, stats);
        loadAgain();
    };
}

const reachesToday = ({range, generatedAt}) => range.to >= generatedAt.slice(0, 10);
// The report and the feed begin with a question each: something may have come in between.
const isNewsOfToday = (usage, stats) => reachesToday(usage) && usage.overTime.at(-1)?.requests !== stats.aiRequestsToday;
