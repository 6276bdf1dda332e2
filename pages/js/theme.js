// The switch between light and dark. Without a choice the system's preference counts, and is followed when it changes.
import { byId } from "./dom.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const themeListeners = [];

function chosenTheme() {
    try {
        return localStorage.getItem("aimeter-theme");
    } catch (refused) {
        return null;
    }
}

function applyTheme(theme) {
    document.documentElement.dataset.theme = theme;
    byId("theme").setAttribute("aria-pressed", String(theme === "dark"));
    for (const listener of themeListeners) listener();
}

export function onTheme(listener) {
    themeListeners.push(listener);
}

// A colour of the style sheet, as the canvas wants it.
export function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function startTheme() {
    byId("theme").addEventListener("click", () => {
        const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
        try {
            localStorage.setItem("aimeter-theme", theme);
        } catch (refused) {
            // It holds for this page then.
        }
        applyTheme(theme);
    });
    system.addEventListener("change", () => {
        if (!chosenTheme()) applyTheme(system.matches ? "dark" : "light");
    });
    byId("theme").setAttribute("aria-pressed", String(document.documentElement.dataset.theme === "dark"));
}
