"""Thirty days of made-up figures, written as Redis would hold them: for screenshots and for looking at the pages with
one's own eyes. Counters alone; the requests themselves pass through aimeter."""

import datetime
import math
import random

FEATURES = {"content-gen": 0.42, "ats-optimizer": 0.22, "job-matcher": 0.16, "cover-letter": 0.11, "skill-gap": 0.06, "chat": 0.03}
MODELS = {"gemini-2.0-flash-exp": 0.58, "gpt-4o-mini": 0.25, "claude-3-5-haiku-latest": 0.12, "gemini-1.5-pro": 0.05}
PROVIDERS = {"gemini": 0.63, "openai": 0.25, "anthropic": 0.12}
PLANS = {"free": 0.55, "pro": 0.35, "team": 0.1}
USERS = ["user_amara", "user_bence", "user_chloe", "user_deniz", "user_emre", "user_farah", "user_goran", "user_hana", "user_ines", "user_jun", "user_kofi", "user_lena"]
BY_HOUR = [2, 1, 1, 1, 1, 2, 4, 9, 18, 26, 30, 28, 22, 24, 29, 31, 27, 20, 14, 12, 11, 9, 6, 3]
ERRORS = ["The model is overloaded. Please try again later.", "Resource has been exhausted (e.g. check quota).", "Internal error encountered."]


def bucket_of(microseconds):
    """The number of the histogram's bucket: 64 for each power of two."""
    power = int(math.log2(microseconds))
    return (power << 6) + int((microseconds / 2**power - 1) * 64) - (6 << 6) + 64


def counters(requests, dear=1.0):
    errors, blocked, aborted = round(requests * 0.021), round(requests * 0.008), round(requests * 0.012)
    success = requests - errors - blocked - aborted
    cached = round(success * 0.24)
    cost = round(requests * 0.00046e9 * dear)
    return {"requests": requests, "success": success, "errors": errors, "blocked": blocked, "aborted": aborted, "cached": cached,
            "estimated": round(requests * 0.03), "unpriced": round(requests * 0.004), "identified": round(requests * 0.93), "usageKnown": round(requests * 0.94),
            "inputTokens": requests * 820, "outputTokens": requests * 410, "tokensUsed": requests * 1230, "costNanoUsd": cost,
            "savedNanoUsd": round(cost * 0.27), "wastedNanoUsd": round(cost * 0.018), "durationUs": requests * 1_480_000, "durationCount": requests,
            "ttftUs": requests * 310_000, "ttftCount": requests}


def history(days=60, today=None):
    """Commands for Redis."""
    chance = random.Random(7)
    today = today or datetime.datetime.now(datetime.timezone.utc).date()
    commands, months = [], set()

    def add(key, values):
        commands.extend(["HINCRBY", key, name, value] for name, value in values.items() if value)

    def labelled(periods, kind, label, values):
        for period in periods:
            commands.append(["SADD", f"aimeter:usage:{period}:labels:{kind}", label])
            add(f"aimeter:usage:{period}:{kind}:{label}", values)

    for back in range(days, 0, -1):
        date = today - datetime.timedelta(days=back)
        day, month = f"day:{date}", f"month:{date:%Y-%m}"
        months.add(f"{date:%Y-%m}")
        requests = round((340 if date.weekday() < 5 else 130) * (1 + (days - back) / days * 0.7) * chance.uniform(0.85, 1.15))
        for period in (day, month, "total"):
            add(f"aimeter:usage:{period}", counters(requests))
            add(f"aimeter:analytics:{period}", {"ai_generation": requests, "cached": round(requests * 0.23), "success": round(requests * 0.96), "errors": round(requests * 0.021), "costNanoUsd": round(requests * 0.00046e9)})
        for kind, labels in (("feature", FEATURES), ("model", MODELS), ("provider", PROVIDERS), ("plan", PLANS)):
            for label, share in labels.items():
                labelled((day, month), kind, label, counters(round(requests * share), 2.4 if label in ("gpt-4o-mini", "openai") else 0.8))
        for hour, weight in enumerate(BY_HOUR):
            add(f"aimeter:usage:hour:{date}T{hour:02}", counters(round(requests * weight / sum(BY_HOUR) * chance.uniform(0.7, 1.3))))
        for _ in range(60):
            took = int(chance.lognormvariate(13.9, 0.5))
            commands.append(["HINCRBY", f"aimeter:usage:{day}:latency", bucket_of(took), requests // 60])
            for feature, share in FEATURES.items():
                slow = {"cover-letter": 2.2, "chat": 3.0, "ats-optimizer": 1.5}.get(feature, 1.0)
                commands.append(["HINCRBY", f"aimeter:usage:{day}:feature:{feature}:latency", bucket_of(int(took * slow)), max(1, round(requests * share / 60))])
        for place, user in enumerate(USERS):
            mine = round(requests * 0.22 / (place + 1.6))
            commands.append(["ZINCRBY", f"aimeter:usage:{day}:users:requests", mine, user])
            commands.append(["ZINCRBY", f"aimeter:usage:{day}:users:cost", mine * 460_000, user])
            commands.append(["PFADD", f"aimeter:usage:{day}:active", user])
            add(f"aimeter:usage:{month}:user:{user}", {"requests": mine, "tokensUsed": mine * 1230, "costNanoUsd": mine * 460_000})
        add(f"aimeter:usage:{day}:status", {"200": round(requests * 0.96), "429": round(requests * 0.013), "503": round(requests * 0.008), "499": round(requests * 0.012)})
        for error, share in zip(ERRORS, (0.012, 0.006, 0.003)):
            commands.append(["ZINCRBY", f"aimeter:usage:{day}:errors", round(requests * share), error])
    commands.append(["SADD", "aimeter:usage:months", *sorted(months)])
    return commands
