"""What all browser tests share: one stack and one browser for each class, and no page that leaves an error behind."""

import os
import unittest

import browser as chromium
from stack import ROOT, TOKEN, Stack

AXE = os.path.join(ROOT, "build/axe/node_modules/axe-core/axe.min.js")
# On a machine that has other things to do a second says little: the figures that are promised are held to on demand.
MEASURED = bool(os.environ.get("AIMETER_LONG_TESTS"))


class Page(unittest.TestCase):
    """One stack and one browser for a class; each test begins as a browser that has never been here."""

    maxDiff = None
    width = 1440
    expected = ()  # texts of console errors that belong to the test

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.stop)
        cls.browser = chromium.Browser(cls.width)
        cls.addClassCleanup(cls.browser.close)
        cls.fill(cls.stack)

    @classmethod
    def fill(cls, stack):
        pass

    def setUp(self):
        self.browser.go("about:blank")
        self.browser.forget()
        self.browser.prefers("light")
        self.browser.size(self.width, 900)
        self.browser.problems()

    def tearDown(self):
        problems = [text for text in self.browser.problems() if not any(known in text for known in self.expected)]
        self.assertEqual(problems, [], "console errors or violations of the security policy")

    def open(self, path="/admin"):
        self.browser.go(f"{self.stack.url}{path}{'&' if '?' in path else '?'}token={TOKEN}")
        self.browser.ready()
        self.assertNotIn(TOKEN, self.browser.path())

    def tile(self, name):
        return self.browser.text(f"#{name} .value")

    @staticmethod
    def rules():
        with open(AXE, encoding="utf-8") as file:
            return file.read()

    def choose(self, selector):
        """Chooses a radio button, a check box or an option as a person would: by its label."""
        self.browser.driver.execute_script("document.querySelector(arguments[0]).click()", selector)
