// Figures as people read them. What is not known is "–", never 0. Times are those of the configured time zone.

const whole = new Intl.NumberFormat("en-US", {maximumFractionDigits: 0});
const compactly = new Intl.NumberFormat("en-US", {notation: "compact", maximumFractionDigits: 1});
const known = (value) => value !== null && value !== undefined && Number.isFinite(Number(value));

export const unknown = "–";
export const count = (value) => (known(value) ? whole.format(value) : unknown);
export const brief = (value) => (!known(value) ? unknown : Math.abs(value) < 10000 ? whole.format(value) : compactly.format(value));

// Small amounts keep the places that tell them apart.
export function usd(value) {
    if (!known(value)) return unknown;
    const size = Math.abs(value);
    const places = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 6;
    return "$" + Number(value).toLocaleString("en-US", {minimumFractionDigits: places, maximumFractionDigits: places});
}

// For an axis: no more places than it needs.
export const roundUsd = (value) => "$" + Number(value).toLocaleString("en-US", {maximumFractionDigits: 6});

export function percent(rate) {
    if (!known(rate)) return unknown;
    const value = rate * 100;
    const shown = value > 99.9 && value < 100 ? Math.floor(value * 100) / 100 : Math.round(value * 10) / 10;
    return `${shown} %`;
}

export function duration(ms) {
    if (!known(ms)) return unknown;
    if (ms < 1) return `${Number(ms).toFixed(2)} ms`;
    if (ms < 1000) return `${Math.round(ms)} ms`;
    return ms < 60000 ? `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s` : `${(ms / 60000).toFixed(1)} min`;
}

// "+12.5 %"; a change from nothing has no percentage.
const tenths = new Intl.NumberFormat("en-US", {maximumFractionDigits: 1});
export function change(pct, unit = "%") {
    if (!known(pct)) return unknown;
    const size = Math.abs(pct) >= 100 ? Math.round(pct) : Math.round(pct * 10) / 10;
    return `${size > 0 ? "+" : size < 0 ? "−" : "±"}${tenths.format(Math.abs(size))} ${unit}`;
}

let zone;
export function useZone(name) {
    try {
        new Intl.DateTimeFormat("en-GB", {timeZone: name});
        zone = name;
    } catch (unheard) {
        zone = undefined; // a name that this browser does not know: its own zone
    }
}
const at = (ms, form) => new Intl.DateTimeFormat("en-GB", {timeZone: zone, ...form}).format(new Date(ms));
export const clock = (ms) => at(ms, {hour: "2-digit", minute: "2-digit", second: "2-digit"});
export function moment(ms) {
    if (!known(ms)) return unknown;
    const today = at(Date.now(), {dateStyle: "short"}) === at(ms, {dateStyle: "short"});
    return today ? clock(ms) : at(ms, {day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit"});
}
export const exactMoment = (ms) => at(ms, {dateStyle: "medium", timeStyle: "long"});

// "2026-11-22" as a plain date, whatever the browser's zone.
export function day(text) {
    return new Intl.DateTimeFormat("en-GB", {timeZone: "UTC", day: "numeric", month: "short"}).format(new Date(text + "T00:00:00Z"));
}
export function shiftDay(text, days) {
    const moved = new Date(text + "T00:00:00Z");
    moved.setUTCDate(moved.getUTCDate() + days);
    return moved.toISOString().slice(0, 10);
}
export const hour = (h) => `${String(h).padStart(2, "0")}:00`;
