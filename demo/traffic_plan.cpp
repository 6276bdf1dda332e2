#include "demo/traffic_plan.hpp"

#include <array>
#include <string_view>

namespace demo {

namespace {

struct person {
    std::string_view id;
    std::string_view plan;
};

constexpr std::array<person, 6> people{{{"user_amara", "pro"},
                                        {"user_bence", "free"},
                                        {"user_chloe", "free"},
                                        {"user_deniz", "team"},
                                        {"user_emre", "pro"},
                                        {"", ""}}};  // somebody who has not signed in

constexpr std::array<std::string_view, 6> features{"/api/ai/generate-experience-description",
                                                   "/api/ai/generate-project-description",
                                                   "/api/ai/tailored-bullets",
                                                   "/api/ai/job-match",
                                                   "/api/ai/cover-letter",
                                                   "/api/ai/skill-gap"};

constexpr std::array<std::string_view, 8> prompts{
    "Describe four years of backend work at a ticketing company, with numbers where there are some.",
    "A weekend project: a planner for small kitchens.",
    "Tailor my resume to this posting: senior data engineer, streaming, PostgreSQL, some Kubernetes, on-call.",
    "How well do I fit a product engineer role at a company of twelve people?",
    "Write to a bakery chain that looks for somebody to run its ordering system.",
    "What am I missing for a staff engineer position? I have led two teams and one migration of a large database.",
    "Describe my time as the only developer of a museum's ticket shop.",
    "Make this shorter and friendlier, and keep the part about mentoring."};

std::string body_of(std::string_view prompt, std::string_view more = "") {
    return "{\"prompt\":\"" + std::string(prompt) + "\"" + std::string(more) + "}";
}

sample_request of(const person& who, std::string_view target, std::string body) {
    sample_request made;
    made.target = target;
    made.body = std::move(body);
    made.user = who.id;
    made.plan = who.plan;
    return made;
}

// Every feature by every person; the later ones repeat what the earlier ones asked, and are answered from the cache.
void add_features(std::vector<sample_request>& day) {
    for (std::size_t who = 0; who < people.size(); ++who) {
        for (std::size_t what = 0; what < features.size(); ++what) {
            const std::size_t prompt = (what + who / 2) % prompts.size();
            day.push_back(of(people[who], features[what], body_of(prompts[prompt])));
        }
    }
}

void add_streams(std::vector<sample_request>& day) {
    for (std::size_t who = 0; who < people.size(); ++who) {
        day.push_back(of(people[who], "/api/ai/chat", body_of(prompts[who])));
    }
    day.push_back(of(people[1], "/api/ai/chat", body_of(prompts[7], R"(,"model":"gpt-4o")")));
    day.push_back(of(people[3], "/api/ai/chat", body_of("Tell me everything about cover letters.")));
    day.back().leaves_early = true;
}

void add_failures(std::vector<sample_request>& day) {
    day.push_back(of(people[1], features[0], body_of(prompts[0], R"(,"fail":"quota")")));
    day.push_back(of(people[2], features[3], body_of(prompts[3], R"(,"fail":"quota")")));
    day.push_back(of(people[0], features[4], body_of(prompts[4], R"(,"fail":"crash")")));
    day.push_back(of(people[4], features[2], body_of(prompts[2], R"(,"fail":"overloaded")")));
    day.push_back(of(people[5], features[1], "this is no JSON"));
    day.push_back(of(people[4], "/api/ai/chat", body_of(prompts[5], R"(,"fail":"cut")")));
    day.back().is_cut = true;
}

// The providers' own APIs, which are tracked when track.paths names them, and pages, which never are.
void add_others(std::vector<sample_request>& day) {
    constexpr std::string_view messages = R"("messages":[{"role":"user","content":"Name three verbs for a resume."}])";
    day.push_back(of(people[3], "/v1/chat/completions", R"({"model":"gpt-4o-mini",)" + std::string(messages) + "}"));
    day.push_back(of(people[3], "/v1/messages",
                     R"({"model":"claude-3-5-haiku-20241022","max_tokens":200,)" + std::string(messages) + "}"));
    day.push_back(of(people[0], "/v1beta/models/gemini-2.0-flash:generateContent",
                     R"({"contents":[{"parts":[{"text":"Name three verbs for a resume."}]}]})"));
    for (const std::string_view page : {"/", "/api/resumes", "/api/resumes"}) {
        day.push_back(of(people[2], page, ""));
        day.back().method = "GET";
    }
}

}  // namespace

std::vector<sample_request> sample_day() {
    std::vector<sample_request> day;
    add_features(day);
    add_streams(day);
    add_failures(day);
    add_others(day);
    return day;
}

}  // namespace demo
