// The dialog behind a bar, a slice or a row: its requests, page by page, and one of them with all its fields.
import { byId, el, replace, setText } from "./dom.js";
import { count } from "./format.js";
import { advice, ask } from "./request.js";
import { allFields, recordTable } from "./activity.js";
import { loading, nothing } from "./views.js";

const pageSize = 50;
let latest = 0; // an answer to an earlier question is not shown any more

function openDialog(title) {
    setText(byId("drill-title"), title);
    byId("drill-back").hidden = true;
    const dialog = byId("drill");
    if (!dialog.open) dialog.showModal();
    return ++latest;
}

// One record; `back` leads to where it was chosen from.
function showRecord(record, back) {
    setText(byId("drill-title"), `Request ${record.id}`);
    replace(byId("drill-body"), allFields(record));
    const button = byId("drill-back");
    button.hidden = !back;
    button.onclick = back;
    (back ? button : byId("drill-close")).focus();
}

// The requests of a filter: {feature, model, plan, provider, user, outcome, from, to} of GET /ai/requests.
export async function drillDown(title, filter) {
    const mine = openDialog(title);
    const body = byId("drill-body");
    const records = [];
    let cursor = null, ended = false, none = "", note = "", asking = false, looksAtOne = false;

    const open = (record) => {
        looksAtOne = true;
        showRecord(record, () => {
            show();
            focusRow(records.indexOf(record));
        });
    };
    const focusRow = (i) => body.querySelectorAll("tbody button")[i]?.focus();
    function show() {
        looksAtOne = false;
        setText(byId("drill-title"), title);
        byId("drill-back").hidden = true;
        const more = ended ? null : el("button", {type: "button", onclick: showMore}, records.length ? "Show more" : "Search on");
        replace(body,
            records.length ? recordTable(records, open) : nothing(none),
            el("p", {class: "drill-foot"}, el("span", {class: "muted", role: "status"}, `${count(records.length)} shown${ended ? ", all there are" : ""}. ${note}`), more));
    }
    async function next() {
        asking = true;
        try {
            const page = await ask("/ai/requests", {...filter, limit: pageSize, cursor});
            records.push(...page.records);
            cursor = page.next;
            ended = !cursor;
            none = ended ? "No request fits." : "None among those looked at so far.";
            note = !ended && page.records.length < pageSize ? "The search stopped at its bound of entries." : "";
        } catch (failure) {
            none = "The requests could not be read.";
            note = advice(failure); // what is there stays, and can be added to later
        }
        asking = false;
        if (mine === latest && !looksAtOne) show();
    }
    async function showMore() {
        if (asking) return;
        const before = records.length;
        await next();
        if (mine === latest && !looksAtOne && records.length > before) focusRow(before);
    }
    replace(body, loading());
    await next();
}

// One entry of the general view: its record is among the newest of its user and feature.
export async function showEntry(entry) {
    const mine = openDialog(`Request ${entry.id}`);
    replace(byId("drill-body"), loading());
    try {
        const page = await ask("/ai/requests", {user: entry.userId, feature: entry.feature, limit: 100});
        if (mine !== latest) return;
        const record = page.records.find((one) => one.id === entry.id);
        if (record) showRecord(record, null);
        else replace(byId("drill-body"), allFields(entry));
    } catch (failure) {
        if (mine === latest) replace(byId("drill-body"), nothing(advice(failure)));
    }
}

export function startDrillDown() {
    const dialog = byId("drill");
    byId("drill-close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => {
        if (event.target === dialog) dialog.close(); // outside of its box
    });
    dialog.addEventListener("close", () => {
        if (dialog.open) return; // the event comes later than the closing: what was opened in between stays
        latest += 1;
        replace(byId("drill-body"));
    });
}
