"""What becomes of a page while it is open: new requests, a Redis that is away, and what GET /ai/live tells."""

import os
import subprocess

from page import AXE, MEASURED, Page
from stack import TOKEN, eventually


class Changes(Page):
    """What happens while the page is open."""

    expected = ("503",)

    def test_1_an_empty_dashboard_says_what_to_do_and_that_works(self):
        self.open("/admin/ai-monitoring")
        self.browser.shows("#empty", "No request has passed yet")
        self.open()
        self.browser.shows("#activity", "No request has passed yet")
        self.assertEqual(self.tile("success-today"), "–", "nothing is not 0 %")
        line = self.browser.text("#activity pre")
        subprocess.run(line + " -s -o /dev/null", shell=True, check=True, timeout=20)
        self.browser.shows("#requests-today .value", "1")
        self.assertEqual(len(self.browser.all("#activity tbody tr")), 1)

    def test_2_new_requests_appear_within_two_seconds(self):
        self.open()
        before = int(self.tile("requests-total"))
        self.stack.generate("cover-letter", "user_late", model="m", input_tokens=1, output_tokens=1, cost_usd="3.00")
        self.browser.shows("#requests-total .value", str(before + 1), within=2 if MEASURED else 30)
        self.browser.shows("#activity tbody tr:first-child", "user_late")
        today = self.stack.figures("/ai/usage?days=1")["range"]["to"]
        for more, address in enumerate(("days=1", f"from={today}&to={today}"), 2):
            self.open(f"/admin/ai-monitoring?{address}")
            self.browser.shows("#t-requests .value", str(before + more - 1))
            self.stack.generate("cover-letter", "user_late", model="m", input_tokens=1, output_tokens=1, cost_usd="3.00")
            self.browser.shows("#t-requests .value", str(before + more), within=4 if MEASURED else 30)

    def test_3_redis_away_is_told_and_figures_are_marked_old_until_it_is_back(self):
        self.open()
        self.stack.redis.pause()
        try:
            self.browser.shows("#feed", "Stale since")
            self.browser.shows("#notices", "Redis is away.")
            self.browser.shows("#notices", "goes on passing and metering requests")
            if os.path.exists(AXE):
                self.assertEqual(self.browser.axe(self.rules()), [])
            self.assertNotEqual(self.tile("requests-total"), "–", "the last figures stay")
            self.stack.generate("cover-letter", "user_meanwhile", model="m", cost_usd="1.00")
        finally:
            self.stack.redis.go_on()
        eventually(lambda: "Stale" not in self.browser.text("#feed") and not self.browser.text("#notices"), "the notice goes")
        self.browser.shows("#activity", "user_meanwhile")

    def test_4_without_redis_from_the_start_the_page_says_so(self):
        self.stack.redis.pause()
        try:
            self.browser.go(f"{self.stack.url}/admin/ai-monitoring?token={TOKEN}")
            self.browser.shows("#notices", "Redis is away.")
        finally:
            self.stack.redis.go_on()
        eventually(lambda: not self.browser.text("#notices"), "the figures come by themselves")
        self.browser.shows("#stretch", "30 days")


# In the place of the browser's WebSocket: the test is the server.
SOCKET = """
window.sockets = [];
window.WebSocket = class {
    constructor(url) { this.url = String(url); window.sockets.push(this); }
    close() { setTimeout(() => this.onclose && this.onclose({}), 0); }
};
window.tell = (message) => window.sockets.at(-1).onmessage({data: typeof message === 'string' ? message : JSON.stringify(message)});
"""


class Told(Page):
    """The protocol of GET /ai/live, seen from the page."""

    @classmethod
    def fill(cls, stack):
        stack.generate("cover-letter", "user_a", model="m", input_tokens=1, output_tokens=1, cost_usd="1.00")
        stack.settle(1)
        cls.script = cls.browser.command("Page.addScriptToEvaluateOnNewDocument", source=SOCKET)

    def tell(self, message):
        self.browser.driver.execute_script("window.tell(arguments[0])", message)

    def connected(self, path="/admin"):
        """The page, told a first time."""
        self.open(path)
        eventually(lambda: self.browser.driver.execute_script("return window.sockets.length") == 1, "the page connects")
        self.tell(self.snapshot(1))
        self.browser.shows("#feed", "Live")

    def delta(self, seq, **stats):
        now = self.snapshot(seq)
        newest = now["stats"].pop("recentActivity")
        return {**now, "type": "delta", "added": {"requests": 1}, "stats": {**now["stats"], **stats}, "today": now["overview"]["today"],
                "month": now["overview"]["month"], "recentActivity": newest}

    def snapshot(self, seq):
        return {"type": "snapshot", "seq": seq, "at": "2026-11-22T05:41:07Z", "stats": self.stack.figures("/stats"), "overview": self.stack.figures("/ai/overview")}

    def test_a_snapshot_then_deltas_then_whatever_comes(self):
        self.open()
        eventually(lambda: self.browser.driver.execute_script("return window.sockets.length") == 1, "the page connects")
        self.assertTrue(self.browser.driver.execute_script("return window.sockets[0].url").endswith("/api/admin/ai/live"))
        self.tell(self.snapshot(7))
        self.browser.shows("#feed", "Live")
        self.tell("no JSON")
        self.tell({"type": "of tomorrow", "seq": 99})
        self.tell({"type": "alert", "name": "daily-cost", "text": "<b>$51</b> today"})
        self.browser.shows("#notices", "<b>$51</b> today")
        delta = self.snapshot(8)
        delta["stats"].update(aiRequestsToday=41, costToday=12.5)
        today = {**delta["overview"]["today"], "saved": 3.25}
        newest = {**delta["stats"].pop("recentActivity")[0], "id": "another", "userId": "user_told"}
        self.tell({"type": "delta", "seq": 8, "at": "2026-11-22T05:41:08Z", "added": {"requests": 40}, "stats": delta["stats"], "today": today,
                   "month": delta["overview"]["month"], "recentActivity": [newest]})
        self.browser.shows("#requests-today .value", "41")
        self.assertEqual(self.tile("cost-today"), "$12.50")
        self.assertEqual([row[1] for row in self.browser.rows("#activity")], ["user_told", "user_a"])
        self.tell({"type": "state", "redis": "down"})
        self.browser.shows("#feed", "Stale since")
        self.tell({"type": "state", "redis": "up"})
        self.browser.shows("#feed", "Live")
        self.tell({"type": "delta", "seq": 10, "at": "2026-11-22T05:41:09Z", "added": {}, "stats": {"aiRequestsToday": 1000}})
        self.browser.shows("#feed", "Up to date")  # one was missed: it asks, and connects anew
        self.browser.shows("#requests-today .value", "1")
        eventually(lambda: self.browser.driver.execute_script("return window.sockets.length") == 2, "the page connects again")
        self.tell(self.snapshot(1))
        self.browser.shows("#feed", "Live")

    def test_what_a_delta_does_not_tell_is_asked_for_even_right_behind_a_snapshot(self):
        self.connected()
        before = self.stack.figures("/stats")["aiRequestsTotal"]
        self.stack.generate("cover-letter", "user_a", status=418, model="m", cost_usd="0")
        self.stack.settle(before + 1)
        self.tell(self.delta(2))
        self.browser.shows("#statuses", "418", within=15)

    def test_an_old_answer_does_not_undo_what_was_told(self):
        self.connected()
        self.browser.answers("/stats", hold=True)
        self.tell({"type": "state", "redis": "up"})
        eventually(lambda: self.browser.driver.execute_script("return window.answers.held") == 1, "the page has asked")
        self.tell(self.delta(2, aiRequestsToday=4321))
        self.browser.shows("#requests-today .value", "4,321")
        self.browser.release()
        self.assertEqual(self.tile("requests-today"), "4,321")

    def test_a_slow_report_is_shown_though_news_keep_coming(self):
        self.connected("/admin/ai-monitoring?days=30")
        self.browser.answers("/ai/usage", after=1500)
        self.browser.driver.execute_script(
            "const message = arguments[0]; setInterval(() => { message.stats.aiRequestsTotal += 1; window.tell(message); message.seq += 1; }, 300)", self.delta(2))
        eventually(lambda: self.browser.driver.execute_script("return window.answers.asked") > 0, "the report is asked for again")
        for days in (7, 90):
            self.choose(f"input[name=days][value='{days}']")
            self.browser.shows("#stretch", f"{days} days", within=15)

    def test_a_new_day_is_shown_without_a_new_request(self):
        self.connected("/admin/ai-monitoring?days=1")
        self.browser.answers("/ai/usage")
        self.tell(self.delta(2, aiRequestsToday=0))
        eventually(lambda: self.browser.driver.execute_script("return window.answers.asked") > 0, "the report is asked for again")

    def test_who_is_in_a_table_by_keyboard_stays_there(self):
        focused = "return [document.activeElement.tagName, document.activeElement.textContent, document.activeElement.closest('[id]').id]"
        self.connected()
        where = self.browser.driver.execute_script("document.querySelector('#activity tbody tr:last-child button').focus();" + focused)
        delta = self.delta(2)
        delta["recentActivity"] = [{**delta["recentActivity"][0], "id": "another", "userId": "user_told", "ts": 1}]
        self.tell(delta)
        self.browser.shows("#activity tbody tr:first-child", "user_told")
        self.assertEqual(self.browser.driver.execute_script(focused), where)
