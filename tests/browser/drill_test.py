"""The requests behind a figure: page by page, one of them whole, and what goes wrong on the way."""

from page import Page
from stack import eventually


class Drill(Page):
    """60 requests of one user: a page of 50 and one of 10."""

    expected = ("503",)

    @classmethod
    def fill(cls, stack):
        for _ in range(59):
            stack.generate("cover-letter", "user_a", model="m", input_tokens=1, output_tokens=1, cost_usd="0.01")
        stack.generate("cover-letter", "user_a", model="m", cost_usd="0.01", cut=True)
        stack.settle(60)

    def setUp(self):
        super().setUp()
        self.open("/admin/ai-monitoring?days=1")

    def click(self, *selectors):
        """All at one time, as far as the page can tell."""
        self.browser.driver.execute_script("for (const one of arguments[0]) document.querySelector(one).click()", selectors)

    def rows(self, wanted):
        eventually(lambda: len(self.browser.all("#drill-body tbody tr")) == wanted, f"{wanted} rows")

    def first_page(self):
        self.click("#users tbody button")
        self.rows(50)

    def test_show_more_adds_each_request_once(self):
        self.first_page()
        self.click("#drill-body .drill-foot button", "#drill-body .drill-foot button")
        self.rows(60)
        self.browser.shows("#drill-body", "60 shown, all there are")
        at = self.browser.driver.execute_script("return [...document.querySelectorAll('#drill-body tbody button')].indexOf(document.activeElement)")
        self.assertEqual(at, 50, "the first of the new ones has the focus")

    def test_a_request_that_is_looked_at_stays_when_more_arrive(self):
        self.first_page()
        self.browser.answers("/ai/requests", hold=True)
        self.click("#drill-body .drill-foot button")
        eventually(lambda: self.browser.driver.execute_script("return window.answers.held") == 1, "the page has asked")
        self.click("#drill-body tbody tr:nth-child(3) button")
        self.browser.shows("#drill-body", "requestDuration")
        self.browser.release()
        self.browser.shows("#drill-body", "requestDuration")
        self.browser.one("#drill-back").click()
        self.rows(60)

    def test_what_is_shown_stays_when_more_cannot_be_read(self):
        self.first_page()
        self.browser.answers("/ai/requests", status=503)
        self.click("#drill-body .drill-foot button")
        self.browser.shows("#drill-body", "Not now.")
        self.rows(50)
        self.click("#drill-body .drill-foot button")
        self.rows(60)

    def test_errors_are_all_that_are_counted_as_such(self):
        self.assertEqual([row[1] for row in self.browser.rows("#outcome-chart-table")], ["59", "1", "0", "0"])
        self.click("#outcome-legend li:nth-child(2) button")
        self.rows(1)
        self.browser.shows("#drill-body", "cut by upstream")
        self.browser.shows("#drill-body", "1 shown, all there are")
