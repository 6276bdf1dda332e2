// The dashboard below admin.ui_path: two pages, their assets (pages/), login and logout. Everything else there belongs
// to the application. The pages hold no figures: their script asks the JSON endpoints. Control thread, but for
// owns_page.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "admin-api/api.hpp"
#include "admin-api/auth.hpp"

namespace admin {

// Pure; called by workers. `target` begins with its path.
bool owns_page(const conf::admin_settings& settings, std::string_view target);

class dashboard {
public:
    dashboard(const conf::settings& settings, authenticator& door);

    // nullopt = the target is none of the dashboard's.
    std::optional<response> handle(const request& what);

private:
    struct page {
        std::string plain, gzip;
    };
    page make_page(std::string_view name) const;
    std::string fill(std::string_view form, std::string_view message, std::string_view action) const;

    response show(const request& what, std::string_view path, std::string_view query, const page& shown);
    response enter(const request& what, std::string_view token, std::string to);
    response ask_to_log_in(const request& what, std::string_view to, int status, std::string_view message) const;
    response log_in(const request& what);
    response log_out(const request& what);
    bool is_secure(const request& what) const;

    const conf::settings& settings_;
    authenticator& door_;
    page overview_, monitoring_;
};

}  // namespace admin
