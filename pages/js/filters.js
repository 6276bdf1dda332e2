// What the monitoring page shows: range, one label to filter by, comparison. Kept in the page's address, so that a view
// can be reloaded, kept and sent to somebody.
import { byId, el, replace } from "./dom.js";
import { shiftDay } from "./format.js";

const kinds = ["feature", "model", "plan"];
const presets = ["1", "7", "30", "90"];

export const selection = {days: "30", from: "", to: "", kind: "", label: "", compare: false};

function readAddress() {
    const asked = new URLSearchParams(location.search);
    if (presets.includes(asked.get("days"))) selection.days = asked.get("days");
    if (asked.get("from")) Object.assign(selection, {days: "", from: asked.get("from"), to: asked.get("to") || ""});
    selection.kind = kinds.find((kind) => asked.get(kind)) || "";
    selection.label = selection.kind ? asked.get(selection.kind) : "";
    selection.compare = asked.get("compare") === "1";
}

function writeAddress() {
    const query = new URLSearchParams(rangeParameters());
    if (selection.kind) query.set(selection.kind, selection.label);
    if (selection.compare) query.set("compare", "1");
    history.replaceState(null, "", `${location.pathname}?${query}`);
}

export function rangeParameters() {
    if (selection.days) return {days: selection.days};
    return selection.to ? {from: selection.from, to: selection.to} : {from: selection.from};
}

export const filterParameters = () => (selection.kind ? {[selection.kind]: selection.label} : {});

// The stretch of the same length that ends the day before `range` begins.
export function periodBefore(range) {
    return {from: shiftDay(range.from, -range.days), to: shiftDay(range.from, -1)};
}

// The names that can be chosen, from an unfiltered report.
export function offerLabels(usage) {
    const offers = {feature: usage.byFeature, model: usage.byModel, plan: usage.byPlan};
    for (const kind of kinds) {
        const names = offers[kind].map((row) => row.name);
        if (selection.kind === kind && !names.includes(selection.label)) names.unshift(selection.label);
        const select = byId(`filter-${kind}`);
        const offered = [...select.options].slice(1).map((option) => option.value);
        if (select.options.length === 0 || JSON.stringify(offered) !== JSON.stringify(names)) // else: somebody may have it open
            replace(select, el("option", {value: ""}, `All ${kind}s`), names.map((name) => el("option", {value: name}, name)));
        select.value = selection.kind === kind ? selection.label : "";
    }
}

function showSelection() {
    for (const input of document.querySelectorAll("input[name=days]")) input.checked = input.value === (selection.days || "custom");
    byId("custom").hidden = Boolean(selection.days);
    byId("from").value = selection.from;
    byId("to").value = selection.to;
    byId("compare").checked = selection.compare;
    for (const kind of kinds) byId(`filter-${kind}`).value = selection.kind === kind ? selection.label : "";
}

// `changed()` is called whenever something else is to be shown.
export function startFilters(changed) {
    readAddress();
    const apply = () => {
        writeAddress();
        showSelection();
        changed();
    };
    for (const input of document.querySelectorAll("input[name=days]")) {
        input.addEventListener("change", () => {
            if (input.value === "custom") {
                byId("custom").hidden = false;
                byId("from").focus();
                return;
            }
            Object.assign(selection, {days: input.value, from: "", to: ""});
            apply();
        });
    }
    byId("custom").addEventListener("submit", (event) => {
        event.preventDefault();
        Object.assign(selection, {days: "", from: byId("from").value, to: byId("to").value});
        apply();
    });
    for (const kind of kinds) {
        byId(`filter-${kind}`).addEventListener("change", (event) => {
            const label = event.target.value;
            Object.assign(selection, {kind: label ? kind : "", label});
            apply();
        });
    }
    byId("compare").addEventListener("change", (event) => {
        selection.compare = event.target.checked;
        apply();
    });
    byId("reset").addEventListener("click", () => {
        Object.assign(selection, {days: "30", from: "", to: "", kind: "", label: "", compare: false});
        apply();
    });
    showSelection();
}
