// The figures as they change: a WebSocket (GET /ai/live) with a snapshot and then numbered deltas; while there is none,
// the same figures by asking every few seconds. Says when what is shown is old, and since when.
import { ask, apiPath } from "./request.js";

const pollEvery = 1500; // ms between questions for /stats; one costs Redis four small commands
const overviewEvery = 3000; // at most, and only when /stats has changed
const aliveEvery = 30000; // a silent socket may be a dead one: /stats is asked now and then
const longestBackOff = 30000;

// on.figures({stats, overview}), on.state({kind: "live" | "polling" | "stale", since, why}), on.alert(message)
export function startFeed(on) {
    const figures = {stats: null, overview: null};
    let socket = null, expected = null, failures = 0, lastGood = null, overviewAt = 0, overviewOf = "", pollTimer = null;

    const publish = () => on.figures(figures);
    const good = (kind) => {
        lastGood = Date.now();
        on.state({kind, since: lastGood});
    };

    // ---- by asking ----
    async function readOverview(changed) {
        const due = Date.now() - overviewAt >= overviewEvery;
        if (figures.overview && (!due || (!changed && overviewOf === today()))) return;
        overviewAt = Date.now();
        figures.overview = await ask("/ai/overview");
        overviewOf = today();
    }
    const today = () => new Date().toISOString().slice(0, 15); // every ten minutes, for the trends move with the clock

    let waitsForOverview = false;
    async function poll() {
        try {
            const stats = await ask("/stats");
            const changed = waitsForOverview || JSON.stringify(stats) !== JSON.stringify(figures.stats);
            figures.stats = stats;
            const before = overviewAt;
            await readOverview(changed);
            waitsForOverview = changed && overviewAt === before;
            good(expected === null ? "polling" : "live");
            publish();
        } catch (failure) {
            on.state({kind: "stale", since: lastGood, why: failure});
        }
    }
    function schedule() {
        clearTimeout(pollTimer);
        const pause = expected !== null ? aliveEvery : pollEvery;
        pollTimer = setTimeout(async () => {
            if (!document.hidden) await poll();
            schedule();
        }, pause);
    }

    // ---- by being told ----
    function snapshot(message) {
        expected = message.seq + 1;
        failures = 0;
        figures.stats = message.stats;
        figures.overview = message.overview;
        overviewAt = Date.now();
        good("live");
        publish();
        schedule();
    }
    function delta(message) {
        if (expected === null || !figures.stats) return;
        if (message.seq !== expected) { // one was missed: all anew, on a new socket
            socket.close();
            return;
        }
        expected += 1;
        const newest = message.recentActivity || [];
        const shown = figures.stats.recentActivity || [];
        const ids = new Set(newest.map((entry) => entry.id));
        figures.stats = {...figures.stats, ...message.stats,
            recentActivity: [...newest, ...shown.filter((entry) => !ids.has(entry.id))].slice(0, 10)};
        figures.overview = {...figures.overview, today: message.today || figures.overview.today, month: message.month || figures.overview.month};
        good("live");
        publish();
        readOverview(true).then(publish, () => {}); // trends and quality are not in a delta
    }
    function told(text) {
        let message;
        try {
            message = JSON.parse(text);
        } catch (broken) {
            return;
        }
        if (message.type === "snapshot") snapshot(message);
        else if (message.type === "delta") delta(message);
        else if (message.type === "alert") on.alert(message);
        else if (message.type === "state") {
            if (message.redis === "down") on.state({kind: "stale", since: lastGood, why: {status: 503, message: "Redis cannot be reached."}});
            else poll();
        }
    }
    function connect() {
        const made = new WebSocket(new URL(apiPath + "/ai/live", location.href.replace(/^http/, "ws")));
        socket = made;
        made.onmessage = (event) => made === socket && told(event.data);
        made.onclose = () => {
            if (made !== socket) return;
            const wasLive = expected !== null;
            expected = null;
            failures += 1;
            if (wasLive) poll();
            schedule();
            setTimeout(connect, Math.min(longestBackOff, 1000 * 2 ** Math.min(failures, 5)) * (0.75 + Math.random() / 2));
        };
    }

    document.addEventListener("visibilitychange", () => {
        if (!document.hidden) poll();
    });
    poll();
    schedule();
    connect();
    return {refresh: poll};
}
