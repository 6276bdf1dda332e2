// Before anything is drawn: the theme that was chosen here, or the system's. (theme.js has the switch.)
(function () {
    "use strict";
    var chosen = null;
    try {
        chosen = localStorage.getItem("aimeter-theme");
    } catch (refused) {
        // Storage may be forbidden: then the system decides.
    }
    var dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
