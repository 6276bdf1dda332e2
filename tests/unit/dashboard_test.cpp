// The dashboard's door and its files: who gets the pages, what a session's cookie is good for, and what a browser is
// told about each answer.
#include "admin-api/dashboard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "admin-api/auth.hpp"
#include "admin-api/content_coding.hpp"
#include "pages/pages.hpp"

namespace {

using admin::authenticator;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using verdict = admin::authenticator::verdict;
using fields = std::vector<std::pair<std::string, std::string>>;

constexpr std::int64_t now_ms = 1'700'000'000'000;

std::vector<std::string> all(const admin::response& of, const std::string& name) {
    std::vector<std::string> values;
    for (const auto& [key, value] : of.headers) {
        if (key == name) values.push_back(value);
    }
    return values;
}
std::string field(const admin::response& of, const std::string& name) {
    const auto values = all(of, name);
    return values.size() == 1 ? values.front() : "";
}

class Dashboard : public testing::Test {
protected:
    admin::response ask(const std::string& method, const std::string& target, fields headers = {},
                        const std::string& body = "") {
        const auto answer = pages_.handle({method, target, std::move(headers), body, "192.0.2.1"});
        EXPECT_TRUE(answer) << target;
        return answer.value_or(admin::response{});
    }
    // What a browser sends back after a login.
    std::string cookie() {
        const auto answer = ask("POST", "/admin/login", {}, "token=first-token&page=overview");
        const auto lines = all(answer, "Set-Cookie");
        return lines.empty() ? "" : lines.front().substr(0, lines.front().find(';'));
    }
    verdict api(const std::string& method, fields headers) {
        return door_.check({method, "/api/admin/ai/budgets", std::move(headers), "", "192.0.2.1"}).is;
    }

    conf::settings settings_;
    tracking::manual_time clock_{now_ms};
    authenticator door_{{"first-token", "second-token"}, clock_};
    admin::dashboard pages_{settings_, door_};
};

// ---- who gets in --------------------------------------------------------------------------------------------------

TEST_F(Dashboard, WithoutASessionThereIsTheLoginAlone) {
    for (const char* target : {"/admin", "/admin/ai-monitoring", "/admin?days=7"}) {
        const auto answer = ask("GET", target);
        EXPECT_EQ(answer.status, 401) << target;
        EXPECT_THAT(answer.body, HasSubstr("Admin token")) << target;
        EXPECT_THAT(answer.body, Not(HasSubstr("data-page=\"overview\""))) << target;
        EXPECT_EQ(field(answer, "Cache-Control"), "no-store");
    }
}

TEST_F(Dashboard, TheTokenOpensASessionForPagesAndApi) {
    const auto answer = ask("POST", "/admin/login", {{"origin", "http://meter.example"}, {"host", "meter.example"}},
                            "token=second-token&page=ai-monitoring");
    EXPECT_EQ(answer.status, 303);
    EXPECT_EQ(field(answer, "Location"), "/admin/ai-monitoring");
    const auto session = cookie();
    EXPECT_EQ(ask("GET", "/admin", {{"cookie", session}}).status, 200);
    EXPECT_EQ(api("GET", {{"cookie", "a=b; " + session + "; c=d"}}), verdict::passed);
    EXPECT_EQ(api("GET", {{"cookie", "a=b"}, {"cookie", session}}), verdict::passed);
    EXPECT_EQ(api("GET", {{"cookie", "x" + session}}), verdict::missing);
    EXPECT_EQ(api("GET", {{"authorization", "Bearer wrong"}, {"cookie", session}}), verdict::wrong)
        << "who states a token is held to it";
}

TEST_F(Dashboard, ALoginLeadsToWhatWasLookedFor) {
    const auto asked = ask("GET", "/admin/ai-monitoring?days=7&feature=a%20b&x=\"");
    EXPECT_THAT(asked.body, HasSubstr("value=\"ai-monitoring?days=7&amp;feature=a%20b&amp;x=&quot;\""));
    const std::string form = "&page=ai-monitoring%3Fdays%3D7%26feature%3Da%2520b";
    EXPECT_THAT(ask("POST", "/admin/login", {}, "token=wrong" + form).body,
                HasSubstr("value=\"ai-monitoring?days=7&amp;feature=a%20b\""));
    EXPECT_EQ(field(ask("POST", "/admin/login", {}, "token=first-token" + form), "Location"),
              "/admin/ai-monitoring?days=7&feature=a%20b");
    EXPECT_EQ(field(ask("POST", "/admin/login", {}, "token=first-token&page=%3Fdays%3D7%0D%0AX-Made: up"), "Location"),
              "/admin");
    EXPECT_EQ(field(ask("POST", "/admin/login", {}, "token=first-token&page=//elsewhere.example/?a=b"), "Location"),
              "/admin?a=b");
}

TEST_F(Dashboard, ALoginTakesTheTokenFromWhateverFormHasIt) {
    for (const char* form : {"token=first-token&page=", "token=first-token&submit=Log+in", "x&=&token=first%2dtoken",
                             "page=overview&%zz=1&token=first-token"})
        EXPECT_EQ(field(ask("POST", "/admin/login", {}, form), "Location"), "/admin") << form;
}

TEST_F(Dashboard, WrongAndMissingTokensAreToldApartAndSlowedDown) {
    EXPECT_THAT(ask("POST", "/admin/login", {}, "token=&page=overview").body, HasSubstr("Enter the token."));
    EXPECT_THAT(ask("POST", "/admin/login", {}, "nonsense").body, HasSubstr("Enter the token."));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ask("POST", "/admin/login", {}, "token=guess").status, 401);
    const auto slowed = ask("GET", "/admin?token=guess");
    EXPECT_EQ(slowed.status, 429);
    EXPECT_EQ(field(slowed, "Retry-After"), "60");
    EXPECT_THAT(cookie(), StartsWith("aimeter_session=")) << "the right one passes all the same";
}

TEST_F(Dashboard, ATokenInTheAddressIsTakenOutOfItAtOnce) {
    const auto answer = ask("GET", "/admin/ai-monitoring?days=7&token=first-token&feature=a%20b");
    EXPECT_EQ(answer.status, 303);
    EXPECT_EQ(field(answer, "Location"), "/admin/ai-monitoring?days=7&feature=a%20b");
    EXPECT_EQ(all(answer, "Set-Cookie").size(), 2U);
    EXPECT_EQ(field(ask("GET", "/admin?token=first-token"), "Location"), "/admin");
    EXPECT_EQ(ask("GET", "/admin?token=guess").status, 401);
    EXPECT_EQ(ask("GET", "/admin?token=%zz").status, 401);
}

// ---- what a session is good for -----------------------------------------------------------------------------------

TEST_F(Dashboard, ASessionEndsInTimeAndCannotBeMadeUp) {
    const auto session = cookie();
    const auto with = [&](const std::string& value) { return api("GET", {{"cookie", value}}); };
    EXPECT_EQ(with(session), verdict::passed);
    for (std::size_t i = session.find('=') + 1; i < session.size(); ++i) {
        std::string other = session;
        other[i] = other[i] == '1' ? '2' : '1';
        EXPECT_EQ(with(other), verdict::missing) << "byte " << i;
    }
    for (const char* value :
         {"aimeter_session=", "aimeter_session=..", "aimeter_session=9999999999.00.", "aimeter_session"})
        EXPECT_EQ(with(value), verdict::missing) << value;
    clock_.advance(std::chrono::hours(12) - std::chrono::seconds(1));
    EXPECT_EQ(with(session), verdict::passed);
    clock_.advance(std::chrono::seconds(1));
    EXPECT_EQ(with(session), verdict::missing);
}

TEST_F(Dashboard, ASessionIsGoodAtAnyInstanceThatKnowsItsToken) {
    const fields session{{"cookie", cookie()}};
    authenticator restarted({"second-token", "first-token"}, clock_);
    EXPECT_EQ(restarted.check({"GET", "/admin", session, "", ""}).is, verdict::passed);
    authenticator without({"second-token"}, clock_);
    EXPECT_EQ(without.check({"GET", "/admin", session, "", ""}).is, verdict::missing);
}

TEST_F(Dashboard, LoggingOutEndsThatSessionAlone) {
    const auto session = cookie(), other = cookie();
    ASSERT_NE(session, other);
    const fields here{{"cookie", session}, {"origin", "http://m"}, {"host", "m"}};
    const auto answer = ask("POST", "/admin/logout", here);
    EXPECT_EQ(answer.status, 303);
    EXPECT_THAT(all(answer, "Set-Cookie").front(), HasSubstr("aimeter_session=; Path=/admin; Max-Age=0"));
    EXPECT_EQ(api("GET", {{"cookie", session}}), verdict::missing);
    EXPECT_EQ(api("GET", {{"cookie", other}}), verdict::passed);
}

TEST_F(Dashboard, WithASessionOnlyOurOwnPagesChangeSomething) {
    const auto session = cookie();
    const auto put = [&](fields more) {
        more.emplace_back("cookie", session);
        more.emplace_back("host", "meter.example:8080");
        return api("PUT", std::move(more));
    };
    EXPECT_EQ(put({{"origin", "http://meter.example:8080"}}), verdict::passed);
    EXPECT_EQ(put({{"origin", "https://METER.example:8080"}, {"sec-fetch-site", "same-origin"}}), verdict::passed);
    EXPECT_EQ(put({{"sec-fetch-site", "same-origin"}}), verdict::passed);
    EXPECT_EQ(put({{"origin", "https://meter.example"}, {"x-forwarded-host", "meter.example"}}), verdict::passed);
    for (const char* origin :
         {"http://meter.example", "http://evil.example", "null", "http://meter.example:8080.evil", ""})
        EXPECT_EQ(put({{"origin", origin}}), verdict::foreign) << origin;
    for (const char* site : {"cross-site", "same-site", "none"})
        EXPECT_EQ(put({{"origin", "http://meter.example:8080"}, {"sec-fetch-site", site}}), verdict::foreign) << site;
    EXPECT_EQ(api("PUT", {{"authorization", "Bearer first-token"}, {"origin", "http://evil.example"}}), verdict::passed)
        << "no page of another site has the token";
    EXPECT_EQ(admin::refusal({verdict::foreign}).status, 403);
    EXPECT_EQ(ask("POST", "/admin/logout", {{"cookie", session}, {"sec-fetch-site", "cross-site"}}).status, 403);
    EXPECT_EQ(
        ask("POST", "/admin/login", {{"origin", "http://evil.example"}, {"host", "m"}}, "token=first-token").status,
        403);
}

TEST_F(Dashboard, TheCookieGoesToOurPathsAloneAndToNoScript) {
    const auto lines = all(ask("POST", "/admin/login", {}, "token=first-token"), "Set-Cookie");
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_THAT(lines[0], HasSubstr("; Path=/admin; Max-Age=43200; HttpOnly; SameSite=Strict"));
    EXPECT_THAT(lines[1], HasSubstr("; Path=/api/admin; "));
    EXPECT_THAT(lines[0], Not(HasSubstr("Secure")));
    EXPECT_THAT(field(ask("GET", "/admin", {{"cookie", "x"}}), "Set-Cookie"), IsEmpty());

    const auto behind = ask("POST", "/admin/login", {{"x-forwarded-proto", "https"}}, "token=first-token");
    EXPECT_THAT(all(behind, "Set-Cookie").front(), HasSubstr("; Secure"));

    settings_.tls.cert = "chain.pem";
    EXPECT_THAT(all(ask("POST", "/admin/login", {}, "token=first-token"), "Set-Cookie").front(), HasSubstr("; Secure"));

    conf::admin_settings nested;
    nested.ui_path = "/meter", nested.path = "/meter/api";
    EXPECT_EQ(
        admin::set_cookie_lines(nested, "v", std::chrono::seconds(60), true),
        std::vector<std::string>{"aimeter_session=v; Path=/meter; Max-Age=60; HttpOnly; SameSite=Strict; Secure"});
}

TEST_F(Dashboard, ALinkFromElsewhereIsAskedForOnceMoreSoThatTheCookieComesAlong) {
    const auto answer = ask("GET", "/admin/ai-monitoring", {{"sec-fetch-site", "cross-site"}});
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(field(answer, "Refresh"), "0;url=/admin/ai-monitoring");
    EXPECT_EQ(field(ask("GET", "/admin", {{"sec-fetch-site", "same-origin"}}), "Refresh"), "")
        << "never again and again";
    EXPECT_EQ(field(ask("GET", "/admin"), "Refresh"), "");
}

// ---- pages and assets ---------------------------------------------------------------------------------------------

TEST_F(Dashboard, PagesLetNothingInButTheirAssets) {
    const auto page = ask("GET", "/admin/ai-monitoring", {{"cookie", cookie()}});
    ASSERT_EQ(page.status, 200);
    const auto policy = field(page, "Content-Security-Policy");
    for (const char* part : {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"})
        EXPECT_THAT(policy, HasSubstr(part));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
    EXPECT_EQ(field(page, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(field(page, "Referrer-Policy"), "same-origin");
    EXPECT_EQ(field(page, "Cache-Control"), "no-store");
    EXPECT_THAT(page.body, Not(HasSubstr("{{")));
    EXPECT_THAT(page.body, Not(HasSubstr("style=")));
    EXPECT_THAT(page.body, Not(HasSubstr("<script>")));
    EXPECT_THAT(page.body, HasSubstr("data-path=\"/api/ai/generate-text\""));
}

std::string inflated(const std::string& body) {
    z_stream stream{};
    inflateInit2(&stream, 15 + 16);
    std::string out(1 << 20, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
    stream.avail_in = static_cast<uInt>(body.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    inflateEnd(&stream);
    return out;
}

TEST_F(Dashboard, AssetsAreFoundByTheNamesInThePagesAndMayBeKeptForever) {
    const auto page = ask("GET", "/admin/ai-monitoring", {{"cookie", cookie()}}).body;
    std::size_t found = 0;
    for (auto at = page.find("/admin/assets/"); at != std::string::npos; at = page.find("/admin/assets/", at + 1)) {
        const std::string name = page.substr(at, page.find('"', at) - at);
        EXPECT_TRUE(admin::owns_page(settings_.admin, name)) << name;
        const auto plain = ask("GET", name);
        EXPECT_EQ(field(plain, "Cache-Control"), "public, max-age=31536000, immutable");
        EXPECT_EQ(field(plain, "Content-Encoding"), "");
        const auto small = ask("GET", name, {{"accept-encoding", "GZIP;q=0.5, br;q=0"}});
        EXPECT_EQ(field(small, "Content-Encoding"), "gzip");
        EXPECT_EQ(field(small, "Vary"), "Accept-Encoding");
        EXPECT_EQ(inflated(small.body), plain.body);
        ++found;
    }
    EXPECT_GE(found, 5U);
    const auto zipped = ask("GET", "/admin", {{"cookie", cookie()}, {"accept-encoding", "gzip"}});
    EXPECT_EQ(inflated(zipped.body), ask("GET", "/admin", {{"cookie", cookie()}}).body);
}

TEST(AcceptEncoding, IsReadAsItIsMeant) {
    EXPECT_TRUE(admin::accepts_coding("gzip, deflate, br", "br"));
    EXPECT_TRUE(admin::accepts_coding(" BR ; q=0.001 ", "br"));
    for (const char* field : {"", "gzip", "br;q=0", "br; q=0.000", "brotli", "*"})
        EXPECT_FALSE(admin::accepts_coding(field, "br")) << field;
}

TEST_F(Dashboard, EverythingElseBelowThePrefixIsTheApplications) {
    for (const char* target :
         {"/admin/", "/admin/users", "/administration", "/admin/ai-monitoring/", "/admin/assets/",
          "/admin/assets/app.js", "/admin/assets/../login", "/admin/Login", "/Admin", "/", "/login"})
        EXPECT_FALSE(admin::owns_page(settings_.admin, target)) << target;
    for (const char* target : {"/admin", "/admin?x", "/admin/ai-monitoring?days=7", "/admin/login", "/admin/logout"})
        EXPECT_TRUE(admin::owns_page(settings_.admin, target)) << target;
    EXPECT_FALSE(pages_.handle({"GET", "/admin/users", {}, "", ""}));
}

TEST_F(Dashboard, MethodsAreHeldTo) {
    EXPECT_EQ(field(ask("DELETE", "/admin"), "Allow"), "GET, HEAD");
    EXPECT_EQ(ask("POST", "/admin/ai-monitoring").status, 405);
    EXPECT_EQ(field(ask("GET", "/admin/logout"), "Allow"), "POST");
    EXPECT_EQ(field(ask("GET", "/admin/login"), "Location"), "/admin");
}

TEST(DashboardPaths, FollowTheConfigurationAndAreEscaped) {
    conf::settings settings;
    settings.admin.ui_path = "/ops/meter&co";
    settings.track.paths = {"/v1/chat/completions"};
    tracking::manual_time clock{now_ms};
    authenticator door({"t"}, clock);
    admin::dashboard pages(settings, door);
    const auto answer = pages.handle({"GET", "/ops/meter&co", {{"authorization", "Bearer t"}}, "", ""});
    ASSERT_TRUE(answer);
    EXPECT_THAT(answer->body, HasSubstr("href=\"/ops/meter&amp;co/ai-monitoring\""));
    EXPECT_THAT(answer->body, HasSubstr("data-path=\"/v1/chat/completions\""));
    EXPECT_FALSE(pages.handle({"GET", "/admin", {}, "", ""}));
}

}  // namespace
