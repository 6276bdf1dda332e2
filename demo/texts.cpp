#include "demo/texts.hpp"

#include <array>

namespace demo {

namespace {

struct sample {
    std::string_view kind;
    std::array<std::string_view, 3> texts;
};

constexpr std::array<sample, 7> samples{{
    {"experience-description",
     {"Led the redesign of the checkout service, cutting median latency from 420 ms to 130 ms and raising completed "
      "orders by 8 %. Mentored three engineers, introduced contract tests between six services, and moved releases "
      "from monthly to daily.",
      "Owned the data pipeline that feeds the weekly sales forecast: replaced nightly batch jobs with streaming, "
      "reduced missing records from 2.1 % to 0.03 %, and documented it so well that two teams adopted it.",
      "Built and ran the company's first on-call rotation for eleven services. Halved the number of pages in a "
      "quarter by fixing their causes, and wrote the incident guide that new engineers still start with."}},
    {"project-description",
     {"An open-source planner for small kitchens: it turns a week of recipes into one shopping list and one cooking "
      "schedule. Written in TypeScript, with an offline-first store and 94 % test coverage; used by about 1,200 "
      "people.",
      "A route optimiser for bicycle couriers that respects one-way streets, hills and opening hours. The solver is in "
      "C++, the map in WebGL; it saves a typical courier 11 km a day.",
      "A tool that reads municipal budgets as PDF and publishes them as comparable tables. Covers 340 towns, checks "
      "every sum, and links each figure to its page."}},
    {"tailored-bullets",
     {"- Cut cloud spend by 31 % by right-sizing 140 services and retiring 22.\n- Introduced error budgets; "
      "availability rose from 99.5 % to 99.95 %.\n- Partnered with product to ship four features a quarter ahead of "
      "plan.",
      "- Migrated 2 TB of PostgreSQL without downtime.\n- Automated compliance evidence, saving 60 hours per audit.\n"
      "- Coached two engineers to promotion.",
      "- Designed the public API used by 75 partners.\n- Reduced integration time from six weeks to five days.\n"
      "- Spoke about it at two conferences."}},
    {"job-match",
     {"Strong match. Your work on streaming pipelines covers four of the five core requirements; experience with "
      "Kubernetes is mentioned but not shown. Name one cluster that you ran and what you learnt.",
      "Good match. The role asks for people management, which your resume only hints at. Move the mentoring bullet to "
      "the top and say how many people and for how long.",
      "Partial match. The domain is new to you, but the tools are not: lead with the forecasting project."}},
    {"cover-letter",
     {"Dear hiring team,\n\nYour posting asks for someone who makes slow systems fast and keeps them that way. At my "
      "current company I took a checkout that lost customers to its latency and made it the fastest page of the site. "
      "I would enjoy doing the same for your booking engine, and teaching how.\n\nKind regards",
      "Dear Ms. Okafor,\n\nI have followed your work on open budgets since the first release. My own project reads the "
      "documents that yours compares, and I believe that the two belong together.\n\nSincerely",
      "Hello,\n\nI am a courier who learnt to program because the route planner annoyed me. Three years later mine is "
      "used in four cities. I would like to build the next one with you.\n\nBest wishes"}},
    {"skill-gap",
     {"You have eight of the eleven skills that this role names. Missing: infrastructure as code, cost attribution, "
      "and a second cloud. The first two take about six weeks beside a job.",
      "Two gaps: statistics beyond the basics, and presenting to executives. A short course and one internal talk "
      "would close most of both.",
      "No gap that matters. Refresh your SQL window functions before the interview."}},
    {"chat",
     {"A good summary is three sentences: what you do, what you are proud of, and what you want next. Start with a "
      "verb, name one number, and leave out everything that is true of everybody.",
      "Keep it to one page unless you have more than ten years behind you. Recruiters read the top third first, so "
      "put the work there that the job is about.",
      "Yes: describe the gap in one honest line and move on. What you learnt in that time may be worth a bullet of "
      "its own."}},
}};

}  // namespace

std::string_view sample_text(std::string_view kind, std::size_t seed) noexcept {
    const sample* chosen = &samples.back();
    for (const sample& each : samples) {
        if (each.kind == kind) chosen = &each;
    }
    return chosen->texts[seed % chosen->texts.size()];
}

}  // namespace demo
