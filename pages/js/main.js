// Starts the page that this document is.
import { byId, setText } from "./dom.js";
import { clock, useZone } from "./format.js";
import { startTheme } from "./theme.js";
import { startFeed } from "./live.js";
import { dismiss, notice, noticeOfFailure } from "./views.js";
import { startDrillDown } from "./drilldown.js";
import { startCharts } from "./charts.js";
import { startOverview } from "./overview.js";
import { startMonitoring } from "./monitoring.js";
import { startPanels } from "./panels.js";

const feedNames = {live: "Live", polling: "Up to date", stale: "Stale"};

// The pill at the top: whether the figures are those of this moment, and if not, of which.
function showFeed({kind, since, why}) {
    const pill = byId("feed");
    pill.dataset.state = kind;
    setText(pill, kind === "stale" && since ? `Stale since ${clock(since)}` : kind === "stale" ? "No figures" : feedNames[kind]);
    document.body.classList.toggle("stale", kind === "stale");
    const asOf = byId("as-of");
    if (kind === "stale") {
        setText(asOf, since ? `As of ${clock(since)}, and not newer` : "No figures yet");
        noticeOfFailure("feed", why);
    } else {
        setText(asOf, `As of ${clock(since)}`);
        dismiss("feed");
    }
}

function startPage() {
    startTheme();
    startDrillDown();
    const page = document.documentElement.dataset.page;
    if (page === "monitoring") {
        startCharts();
        startPanels();
    }
    const show = page === "monitoring" ? startMonitoring() : startOverview();
    startFeed({
        figures: (figures) => {
            if (figures.overview) useZone(figures.overview.timezone);
            show(figures);
        },
        state: showFeed,
        alert: (message) => notice(`alert-${message.name || message.at || ""}`, "alert", message.title || message.name || "Alert.", message.text || message.message || ""),
    });
}

startPage();
