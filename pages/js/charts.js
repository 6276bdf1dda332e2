// Charts of Chart.js in our colours, each with its figures in a table behind it. Colours are told apart without seeing
// red and green (Okabe and Ito), and every colour has a name beside it.
import { byId, replace, scrolling, table } from "./dom.js";
import { colour, onTheme } from "./theme.js";

const drawn = new Map(); // canvas id -> {chart, make}

function defaults() {
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 12;
    Chart.defaults.color = colour("--muted");
    Chart.defaults.borderColor = colour("--grid");
    Chart.defaults.animation = false;
    Chart.defaults.maintainAspectRatio = false;
    Chart.defaults.plugins.legend.labels.boxWidth = 10;
    Chart.defaults.plugins.legend.labels.boxHeight = 10;
    Chart.defaults.plugins.legend.align = "end";
    Chart.defaults.plugins.tooltip.backgroundColor = colour("--tooltip");
    Chart.defaults.plugins.tooltip.titleColor = Chart.defaults.plugins.tooltip.bodyColor = colour("--tooltip-text");
    Chart.defaults.plugins.tooltip.footerColor = colour("--tooltip-text");
    Chart.defaults.plugins.tooltip.displayColors = false;
    Chart.defaults.interaction = {mode: "index", intersect: false};
}

// Draws or redraws. `make()` is a Chart.js configuration with the colours of the moment; `summary` is what a screen
// reader is told; `columns` and `rows` are the table behind.
export function chart(id, make, summary, columns, rows) {
    const canvas = byId(id);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", summary);
    defaults();
    drawn.get(id)?.chart.destroy();
    drawn.set(id, {chart: new Chart(canvas, make()), make});
    const behind = byId(`${id}-table`);
    replace(behind, scrolling(`${summary.split(":")[0]}, figures`, table(summary, columns, rows)));
}

// A panel whose figures are not there says why, in the place of its chart.
export function chartState(id, message) {
    const figure = byId(id).closest(".figure");
    figure.classList.toggle("stateful", Boolean(message));
    const state = figure.querySelector(".figure-state");
    replace(state, message || null);
}

export const series = (label, data, name, more = {}) => ({
    label, data, borderColor: colour(name), backgroundColor: colour(name), borderWidth: 2,
    pointRadius: data.length > 45 ? 0 : 2.5, pointHoverRadius: 4, tension: 0.25, ...more,
});

export const before = (label, data) => series(label, data, "--muted", {borderDash: [4, 4], borderWidth: 1.5, pointRadius: 0, fill: false});

const axis = (format) => ({beginAtZero: true, ticks: {callback: format, maxTicksLimit: 6}, grid: {drawBorder: false}});

export function lines(labels, datasets, format, more = {}) {
    return {
        type: "line", data: {labels, datasets},
        options: {
            onClick: more.onClick, onHover: more.onClick ? pointer : undefined,
            plugins: {legend: {position: "top"}, tooltip: {callbacks: {label: (item) => `${item.dataset.label}: ${format(item.parsed.y)}`}}},
            scales: {x: {grid: {display: false}, ticks: {maxRotation: 0, autoSkipPadding: 16}}, y: axis(more.tick || format)},
        },
    };
}

export function bars(labels, datasets, format, more = {}) {
    const value = more.horizontal ? "x" : "y", label = more.horizontal ? "y" : "x";
    return {
        type: "bar", data: {labels, datasets},
        options: {
            indexAxis: label, onClick: more.onClick, onHover: more.onClick ? pointer : undefined,
            plugins: {legend: {display: datasets.length > 1, position: "top"}, tooltip: {callbacks: {label: (item) => `${item.dataset.label}: ${format(item.parsed[value])}`}}},
            scales: {[value]: {...axis(more.tick || format), max: more.most}, [label]: {grid: {display: false}, ticks: {autoSkip: !more.horizontal, callback: more.horizontal ? shortLabel : undefined}}},
        },
    };
}

export function ring(labels, data, names, format, onClick) {
    return {
        type: "doughnut",
        data: {labels, datasets: [{data, backgroundColor: names.map(colour), borderColor: colour("--panel"), borderWidth: 2}]},
        options: {
            cutout: "62%", onClick, onHover: onClick ? pointer : undefined, interaction: {mode: "nearest", intersect: true},
            plugins: {legend: {display: false}, tooltip: {callbacks: {label: (item) => `${item.label}: ${format(item.parsed)}`}}},
        },
    };
}

function pointer(event, found) {
    event.native.target.style.cursor = found.length ? "pointer" : "default";
}
function shortLabel(index) {
    const text = this.getLabelForValue(index);
    return text.length > 22 ? text.slice(0, 21) + "…" : text;
}

export function startCharts() {
    onTheme(() => {
        defaults();
        for (const [id, one] of drawn) {
            one.chart.destroy();
            one.chart = new Chart(byId(id), one.make());
        }
    });
}
