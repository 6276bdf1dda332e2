// Elements, made without HTML text: whatever a record says becomes a text node and nothing else.

// el("td", {class: "number", title: "exact"}, "12", el("b", {}, "!")): attributes by name, "on..." as listeners,
// children as nodes or text. A child that is null or false is left out.
export function el(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
        else made.setAttribute(name, value === true ? "" : String(value));
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return made;
}

export const byId = (id) => document.getElementById(id);

// Figures are replaced while somebody reads them: what had the focus has it again (the same words, or else the same
// place), and what was scrolled stays so.
export function replace(parent, ...children) {
    const focused = document.activeElement;
    const place = focused !== parent && parent.contains(focused) ? focusable(parent).indexOf(focused) : -1;
    const scrolled = [...parent.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
    parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== false));
    parent.querySelectorAll(".scroll").forEach((box, i) => scrolled[i] && box.scrollTo(...scrolled[i]));
    if (place < 0) return;
    const now = focusable(parent);
    const same = (one) => one && one.textContent === focused.textContent && one.title === focused.title;
    const next = same(now[place]) ? now[place] : now.find(same) || now[Math.min(place, now.length - 1)];
    next?.focus({preventScroll: true});
}
const focusable = (parent) => [...parent.querySelectorAll("a[href], button, input, select, [tabindex]")];

// Sets text only when it differs, so that screen readers are not told the same thing twice.
export function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
}

// columns: [{title, value(row) -> text or node, number: true}], rows of any kind; `caption` is read, not shown.
export function table(caption, columns, rows, attributes = {}) {
    const cell = (tag, column, content) => el(tag, {class: column.number ? "number" : null, scope: tag === "th" ? "col" : null}, content);
    return el("table", attributes,
        el("caption", {class: "unseen"}, caption),
        el("thead", {}, el("tr", {}, columns.map((column) => cell("th", column, column.title)))),
        el("tbody", {}, rows.map((row) => el("tr", {}, columns.map((column) => cell("td", column, column.value(row)))))));
}

// A table in a box that scrolls sideways on a narrow screen, by keyboard too.
export function scrolling(label, content) {
    return el("div", {class: "scroll", role: "region", "aria-label": `${label}: table`, tabindex: "0"}, content);
}

// A horizontal bar of this share (0-1) behind a text.
export function bar(text, share, kind = "") {
    const made = el("span", {class: `bar ${kind}`}, el("span", {class: "bar-fill"}), el("span", {class: "bar-text"}, text));
    made.firstChild.style.width = `${Math.max(0, Math.min(1, share || 0)) * 100}%`;
    return made;
}
