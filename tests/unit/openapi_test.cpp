// The API's description says what the router serves, and the other way round. (tests/flow/openapi_test.py holds real
// answers against it.)
#include "admin-api/openapi.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "admin-api/router.hpp"

namespace {

using nlohmann::json;

json document(std::string_view path = "/api/admin") { return json::parse(admin::openapi_document(path)); }

// /ai/users/{id} of a route that ends in a name.
std::string described_path(const admin::route& of) { return std::string(of.path) + (of.has_name ? "{id}" : ""); }

json resolved(const json& in, const json& what) {
    return what.contains("$ref") ? in.at(json::json_pointer(what["$ref"].get<std::string>().substr(1))) : what;
}

TEST(OpenApi, EveryRouteIsDescribedAndNothingElse) {
    const json paths = document()["paths"];
    std::set<std::string> served, described;
    for (const auto& one : admin::all_routes()) served.insert(described_path(one));
    for (const auto& [path, operations] : paths.items()) described.insert(path);
    EXPECT_EQ(described, served);
}

TEST(OpenApi, ParametersAndTokensAreThoseOfTheRouter) {
    const json all = document();
    for (const auto& one : admin::all_routes()) {
        const json operation = all["paths"][described_path(one)]["get"];
        std::set<std::string> known(one.parameters.begin(), one.parameters.end()), described;
        for (const auto& parameter : operation.value("parameters", json::array())) {
            const json what = resolved(all, parameter);
            if (what["in"] == "query") described.insert(what["name"]);
        }
        EXPECT_EQ(described, known) << one.path;
        EXPECT_EQ(operation.value("security", json()) == json::array(), one.open) << one.path;
    }
}

TEST(OpenApi, EveryReferenceIsThere) {
    const json all = document();
    int references = 0;
    const std::function<void(const json&)> visit = [&](const json& at) {
        if (at.is_object() && at.contains("$ref")) {
            ++references;
            EXPECT_TRUE(all.contains(json::json_pointer(at["$ref"].get<std::string>().substr(1)))) << at;
        }
        if (at.is_structured())
            for (const auto& inner : at) visit(inner);
    };
    visit(all);
    EXPECT_GT(references, 50);
}

TEST(OpenApi, OperationsHaveNamesOfTheirOwn) {
    const json all = document();
    std::set<std::string> names;
    for (const auto& path : all["paths"])
        for (const auto& operation : path) EXPECT_TRUE(names.insert(operation["operationId"]).second) << operation;
}

TEST(OpenApi, SaysWhereItIsAndOfWhichVersion) {
    EXPECT_EQ(document()["openapi"], "3.1.0");
    EXPECT_EQ(document("/internal/\"meter\"")["servers"][0]["url"], "/internal/\"meter\"");
    EXPECT_EQ(document()["info"]["version"].get<std::string>().find('@'), std::string::npos);
}

}  // namespace
