"""Who gets in, for how long, and what becomes of the session."""

from page import Page
from stack import TOKEN, Stack, eventually


def cookie_of(headers):
    """What a browser would send back: name=value of the first Set-Cookie."""
    return next(value.split(";")[0] for name, value in headers if name.lower() == "set-cookie")


def form(text):
    return {"Content-Type": "application/x-www-form-urlencoded", **text}


class Login(Page):
    expected = ("401", "429", "ERR_CONNECTION_REFUSED")  # aimeter restarts under an open page

    def test_shows_the_login_alone_without_a_session(self):
        status, headers, body = self.stack.ask("GET", "/admin/ai-monitoring")
        self.assertEqual(status, 401)
        self.assertIn(b"Admin token", body)
        policy = dict(headers)["Content-Security-Policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual(self.stack.ask("GET", "/api/admin/stats")[0], 401)

    def test_lets_in_with_the_token_and_out_again(self):
        page = self.browser
        page.go(self.stack.url + "/admin/ai-monitoring")
        page.one("#token").send_keys("not the token")
        page.one("form button").click()
        page.shows(".complaint", "This is not the token.")
        page.one("#token").send_keys(TOKEN)
        page.one("form button").click()
        page.one("#feed")
        self.assertTrue(page.path().startswith("/admin/ai-monitoring"), "one lands where one wanted to go")
        self.assertEqual(page.driver.execute_script("return document.cookie"), "", "no script sees the session")
        page.one("form[action$=logout] button").click()
        page.one("#token")
        page.go(self.stack.url + "/admin")
        page.one("#token")

    def test_takes_the_token_from_the_address_once(self):
        self.open("/admin/ai-monitoring?days=7")
        self.assertEqual(self.browser.path(), "/admin/ai-monitoring?days=7")
        self.browser.go(self.stack.url + "/admin")
        self.browser.one("#feed")

    def test_goes_on_after_a_link_from_another_site(self):
        self.open()
        other = self.stack.url.replace("127.0.0.1", "localhost")  # another site, to a browser
        self.browser.go(other + "/admin")
        self.browser.driver.execute_script(
            "const a = document.createElement('a'); a.href = arguments[0]; document.body.append(a); a.click();", self.stack.url + "/admin")
        eventually(lambda: self.browser.all("#feed"), "the page, not the login, though the first request had no cookie")

    def test_survives_a_restart_and_dies_with_its_token(self):
        self.open()
        self.stack.restart()
        self.browser.go(self.stack.url + "/admin")
        self.browser.one("#feed")
        with open(self.stack.config, encoding="utf-8") as file:
            config = file.read()
        try:
            with open(self.stack.config, "w", encoding="utf-8") as file:
                file.write(config.replace(TOKEN, "another-token"))
            self.stack.restart()
            self.browser.one("#token")  # the open page notices by itself
        finally:
            with open(self.stack.config, "w", encoding="utf-8") as file:
                file.write(config)
            self.stack.restart()

    def test_a_session_that_was_logged_out_is_over(self):
        status, headers, _ = self.stack.ask("POST", "/admin/login", form({}), f"token={TOKEN}&page=overview")
        self.assertEqual((status, dict(headers)["Location"]), (303, "/admin"))
        cookie = cookie_of(headers)
        self.assertEqual(self.stack.ask("GET", "/api/admin/stats", {"Cookie": cookie})[0], 200)
        here = {"Cookie": cookie, "Origin": self.stack.url}
        self.assertEqual(self.stack.ask("POST", "/admin/logout", {"Cookie": cookie, "Origin": "https://evil.example"})[0], 403)
        self.assertEqual(self.stack.ask("POST", "/admin/logout", here)[0], 303)
        self.assertEqual(self.stack.ask("GET", "/api/admin/stats", {"Cookie": cookie})[0], 401)

    def test_the_session_stays_with_aimeter(self):
        _, headers, _ = self.stack.ask("POST", "/admin/login", form({}), f"token={TOKEN}")
        lines = [value for name, value in headers if name.lower() == "set-cookie"]
        self.assertEqual(sorted(line.split("; ")[1] for line in lines), ["Path=/admin", "Path=/api/admin"])
        for line in lines:
            self.assertIn("HttpOnly", line)
            self.assertIn("SameSite=Strict", line)
            self.assertIn("Max-Age=43200", line)
        cookie = cookie_of(headers)
        for path in ("/admin/users", "/api/admin/orders?x=1", "/admin/"):
            self.stack.ask("GET", path, {"Cookie": f"theirs=1; {cookie}; other=2"})
            method, seen, fields = self.stack.upstream.asked[-1]
            self.assertEqual((method, seen, fields["Cookie"]), ("GET", path, "theirs=1; other=2"))
        self.stack.ask("GET", "/admin/users", {"Cookie": cookie})
        self.assertNotIn("Cookie", self.stack.upstream.asked[-1][2])


    def test_a_listener_of_its_own_takes_the_pages_along(self):
        stack = Stack(admin='listen = "127.0.0.1:0"')
        try:
            self.assertEqual(stack.ask("GET", "/admin")[0], 200, "the application's")
            self.assertEqual(stack.upstream.asked[-1][1], "/admin")
            with open(stack.log.name, encoding="utf-8") as log:
                stack.address = next(line.rsplit(" ", 1)[1].strip() for line in log if "admin endpoints: listening on" in line)
            self.assertEqual(stack.ask("GET", "/admin")[0], 401)
            self.assertEqual(stack.ask("GET", f"/admin?token={TOKEN}")[0], 303)
            _, _, page = stack.ask("GET", "/admin", {"Authorization": f"Bearer {TOKEN}"})
            self.assertIn(b'data-proxy="http://127.0.0.1:', page)
        finally:
            stack.stop()
