"""A headless Chromium, and what a test asks of it. Every page that is left is looked through for console errors and
violations of its own security policy."""

import contextlib
import json
import os
import shutil

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from stack import eventually

# A missing /ai/live is no error of the page: it asks instead.
EXPECTED = ("/ai/live",)


# Between the page and its answers.
ANSWERS = """
const [path, how] = arguments;
const real = window.answers?.real || window.fetch;
const answers = window.answers = {real, held: 0, asked: 0};
const released = new Promise((release) => { answers.release = release; });
window.fetch = async (url, options) => {
    if (!String(url).includes(path)) return real(url, options);
    answers.asked += 1;
    if (how.status) {
        const status = how.status;
        how.status = 0;
        return new Response('{"detail": "Not now."}', {status, headers: {"content-type": "application/problem+json"}});
    }
    const answer = await real(url, options);
    if (how.after) await new Promise((over) => setTimeout(over, how.after));
    if (how.hold) {
        answers.held += 1;
        await released;
    }
    return answer;
};
"""


def missing():
    """What keeps browser tests from running here, or ''."""
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            return f"{program} is not installed (Debian: chromium, chromium-driver)"
    return ""


class Browser:
    def __init__(self, width=1440, height=900):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
                         "--no-first-run", "--disable-background-networking", "--disable-component-update", f"--window-size={width},{height}"):
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_page_load_timeout(30)
        self.driver.set_script_timeout(60)

    def close(self):
        self.driver.quit()

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def size(self, width, height, phone=False):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def prefers(self, scheme):
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def forget(self):
        """A browser that has never been here."""
        self.command("Network.enable")
        self.command("Network.clearBrowserCookies")
        with contextlib.suppress(Exception):
            self.driver.execute_script("localStorage.clear()")

    def answers(self, path, **how):
        """What becomes of the answers to questions for `path` from here on: hold=True keeps them until release(),
        status=503 fails the next one, after=1000 has each wait so many ms."""
        self.driver.execute_script(ANSWERS, path, how)

    def release(self):
        """Lets go of what is held; returns when the page has had it."""
        self.driver.execute_async_script("const done = arguments[0]; window.answers.release(); setTimeout(done, 100);")

    # ---- looking ----

    def go(self, url):
        self.driver.get(url)

    def path(self):
        return self.driver.execute_script("return location.pathname + location.search")

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        eventually(lambda: self.all(selector), f"there is {selector}")
        return self.all(selector)[0]

    def text(self, selector="body"):
        """What a reader finds there, hidden words for screen readers and closed tables included."""
        return self.driver.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def shows(self, selector, wanted, within=30.0):
        def there():
            with contextlib.suppress(StaleElementReferenceException):
                return wanted in self.text(selector)
            return False
        try:
            eventually(there, "", within)
        except AssertionError:
            raise AssertionError(f"{selector} does not show {wanted!r} but {self.text(selector)[:400]!r}") from None

    def ready(self):
        """The page has its first figures."""
        eventually(lambda: self.driver.execute_script(
            "return document.readyState === 'complete' && document.querySelector('main').getAttribute('aria-busy') !== 'true'"), "the page is ready")

    def rows(self, selector):
        """The cells of a table's body, as text."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map(r => [...r.children].map(c => c.textContent))", selector)

    def log_in(self, url, token, path="/admin"):
        self.go(url + path)
        self.one("#token").send_keys(token)
        self.one("form button").click()
        self.one("#feed")

    # ---- what must not be ----

    def problems(self):
        """Console errors and policy violations since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] in ("SEVERE", "WARNING") and not any(text in entry["message"] for text in EXPECTED)]

    def overflow(self):
        """By how many pixels the page is wider than the window."""
        return self.driver.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def axe(self, source):
        """What axe-core finds: [(rule, help, element), ...]."""
        # Scripts of a test are no assets of the page: they run in a world that its policy does not reach.
        self.driver.execute_script(source)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then(r => done(JSON.stringify(r.violations)), e => done(JSON.stringify([{id: 'axe', help: String(e), nodes: []}])))")
        return [(rule["id"], rule["help"], node["html"][:160]) for rule in json.loads(found) for node in rule["nodes"] or [{"html": ""}]]

    def screenshot(self, path, whole=True):
        if whole:
            height = self.driver.execute_script("return document.documentElement.scrollHeight")
            width = self.driver.execute_script("return window.innerWidth")
            self.size(width, min(height, 4000), phone=width < 500)
        self.driver.save_screenshot(path)
