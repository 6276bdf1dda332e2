// The figures as they change: a WebSocket (GET /ai/live) with a snapshot and then numbered deltas; while there is none,
// the same figures by asking every few seconds. Says when what is shown is old, and since when.
import { ask, apiPath } from "./request.js";

const pollEvery = 1500; // ms between questions for /stats; one costs Redis four small commands
const overviewEvery = 3000; // at most, and only when /stats has changed
const aliveEvery = 30000; // a silent socket may be a dead one: /stats is asked now and then
const longestBackOff = 30000;

const pause = (ms) => new Promise((over) => setTimeout(over, Math.max(0, ms)));
const tenMinutes = () => new Date().toISOString().slice(0, 15); // how long an overview lasts: its trends move with the clock

// on.figures({stats, overview}), on.state({kind: "live" | "polling" | "stale", since, why}), on.alert(message)
export function startFeed(on) {
    const figures = {stats: null, overview: null};
    let socket = null, expected = null, failures = 0, lastGood = null, pollTimer = null;
    let news = 0; // raised by each question for /stats and by whatever is told: an answer to an earlier question is older

    const publish = () => on.figures(figures);
    const good = () => {
        lastGood = Date.now();
        on.state({kind: expected === null ? "polling" : "live", since: lastGood});
    };
    const stale = (why) => on.state({kind: "stale", since: lastGood, why});

    // ---- by asking ----
    async function poll() {
        const mine = ++news;
        try {
            const stats = await ask("/stats");
            if (mine !== news) return;
            const changed = JSON.stringify(stats) !== JSON.stringify(figures.stats);
            figures.stats = stats;
            if (changed || overviewOf !== tenMinutes()) followOverview();
            if (!overviewFailed) good();
            publish();
        } catch (failure) {
            if (mine === news) stale(failure);
        }
    }

    // The overview follows the figures, every few seconds at most; a change while it is read has it read again.
    let overviewAt = 0, overviewOf = "", overviewFailed = false, overviewWanted = false, following = false;
    async function followOverview() {
        overviewWanted = true;
        if (following) return;
        following = true;
        while (overviewWanted) {
            await pause(overviewAt + overviewEvery - Date.now());
            overviewWanted = false;
            await readOverview();
        }
        following = false;
    }
    async function readOverview() {
        overviewAt = Date.now();
        const before = told;
        try {
            const overview = await ask("/ai/overview");
            figures.overview = before === told ? overview : {...overview, today: figures.overview.today, month: figures.overview.month};
            overviewOf = tenMinutes();
            const back = overviewFailed;
            overviewFailed = false;
            if (back) good();
            publish();
        } catch (failure) {
            if (!overviewFailed) stale(failure);
            overviewFailed = true;
            overviewOf = "";
            overviewWanted = !document.hidden; // it is tried again, as often as it may be read; else by the next poll
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
    let told = 0;
    function snapshot(message) {
        expected = message.seq + 1;
        failures = 0;
        news += 1;
        told += 1;
        figures.stats = message.stats;
        figures.overview = message.overview;
        overviewAt = Date.now();
        overviewOf = tenMinutes();
        overviewFailed = false;
        good();
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
        news += 1;
        told += 1;
        const newest = message.recentActivity || [];
        const shown = figures.stats.recentActivity || [];
        const ids = new Set(newest.map((entry) => entry.id));
        figures.stats = {...figures.stats, ...message.stats,
            recentActivity: [...newest, ...shown.filter((entry) => !ids.has(entry.id))].slice(0, 10)};
        figures.overview = {...figures.overview, today: message.today || figures.overview.today, month: message.month || figures.overview.month};
        if (!overviewFailed) good();
        publish();
        followOverview(); // trends and quality are not in a delta
    }
    function receive(text) {
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
            if (message.redis === "down") stale({status: 503, message: "Redis cannot be reached."});
            else poll();
        }
    }
    function connect() {
        const made = new WebSocket(new URL(apiPath + "/ai/live", location.href.replace(/^http/, "ws")));
        socket = made;
        made.onmessage = (event) => made === socket && receive(event.data);
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
    followOverview();
    schedule();
    connect();
    return {refresh: poll};
}
