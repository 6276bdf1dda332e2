"""docs/screenshots: each page in light and dark, on a wide screen and on a phone. Run by `dashboard_test.py --screenshots DIR`."""

import os

from browser import Browser
from history import history
from small_png import shrink
from stack import TOKEN, Stack, eventually


def small_day(stack):
    """What passes today: every kind of end, several users and models."""
    kinds = ["experience-description", "tailored-bullets", "job-match", "cover-letter", "skill-gap", "chat"]
    users = ["user_amara", "user_bence", "user_chloe", "user_deniz", "user_emre"]
    models = [("gemini", "gemini-2.0-flash-exp"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-3-5-haiku-latest")]
    for i in range(60):
        provider, model = models[i % 7 % 3]
        facts = {"provider": provider, "model": model, "input_tokens": 700 + i * 37 % 900, "output_tokens": 300 + i * 53 % 500}
        if i % 5 == 2:
            facts["cached"] = 1
        if i % 17 == 9:
            facts = {"provider": provider, "model": model, "error": "Resource has been exhausted (e.g. check quota)."}
        stack.generate(kinds[i * i % 6], users[i * 3 % 5], ["free", "pro", "team"][i % 3], 429 if i % 17 == 9 else 200, **facts)


def make(folder):
    os.makedirs(folder, exist_ok=True)
    stack = Stack()
    browser = Browser()
    try:
        stack.redis.run(*history())
        total = stack.figures("/stats")["aiRequestsTotal"]
        small_day(stack)
        stack.settle(total + 60)
        for name, path in (("login", "/admin"), ("overview", "/admin"), ("monitoring", "/admin/ai-monitoring?days=30&compare=1")):
            for look, scheme, width in (("light", "light", 1440), ("dark", "dark", 1440), ("phone", "light", 360)):
                browser.forget()
                browser.prefers(scheme)
                browser.size(width, 800, phone=width < 500)
                if name == "login":
                    browser.go(stack.url + path)
                else:
                    browser.log_in(stack.url, TOKEN)
                    browser.go(stack.url + path)
                    browser.ready()
                if name == "monitoring":
                    eventually(lambda: browser.all("#users tbody tr"), "the last panels are drawn")
                file = os.path.join(folder, f"{name}-{look}.png")
                browser.screenshot(file, whole=name != "login")
                shrink(browser, file)
                print(f"{file}: {os.path.getsize(file) // 1024} KB", flush=True)
    finally:
        browser.close()
        stack.stop()
