// aimeter: the commands of the contract. Arguments in, exit code out; the work is done elsewhere.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "conf/values.hpp"
#include "demo/service.hpp"
#include "demo/traffic.hpp"
#include "proxy/control.hpp"
#include "proxy/log_sink.hpp"
#include "tracking/price_command.hpp"
#include "tracking/store/reprice.hpp"
#include "tracking/store/verify.hpp"

namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;
constexpr const char* of_flags = "command line";  // the source of what was given there

void log_to(spdlog::sink_ptr sink) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("aimeter", std::move(sink)));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z [%l] %v");
}

struct serve_flags {
    std::string file;
    std::optional<std::string> listen, upstream, redis, data, workers;  // empty ones that were given count, too

    // The environment first, then the flags: later ones win.
    std::vector<conf::override_value> overrides() const {
        std::vector<conf::override_value> all = conf::environment_overrides();
        const auto add = [&all](const char* key, const std::optional<std::string>& value) {
            if (value) all.push_back({of_flags, key, *value});
        };
        add("listen", listen);
        add("upstream", upstream);
        add("redis.url", redis);
        add("data_dir", data);
        add("workers", workers);
        return all;
    }
};

// Also to the process that this one was to replace, since nobody may look at the terminal.
void tell_both(const std::string& problem, proxy::predecessor& before) {
    std::cerr << problem << "\n";
    before.tell_failed(problem);
}

// Where nothing but flags is wrong, it is the usage.
int exit_code_of(const std::vector<conf::config_error>& errors) {
    const bool usage =
        std::all_of(errors.begin(), errors.end(), [](const auto& one) { return one.source == of_flags; });
    return usage ? exit_usage : exit_failed;
}

// The settings, or the exit code behind what is told.
std::variant<conf::settings, int> load(const serve_flags& flags) {
    auto loaded = conf::load(flags.file, flags.overrides());
    if (const auto* errors = std::get_if<std::vector<conf::config_error>>(&loaded)) {
        for (const auto& error : *errors) std::cerr << error.text() << "\n";
        return exit_code_of(*errors);
    }
    return std::get<conf::settings>(std::move(loaded));
}

// Shells and service managers often leave 1024, for the sake of programs that use select(2).
void use_all_descriptors() {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

int serve(const serve_flags& flags, proxy::start_command command) {
    use_all_descriptors();
    log_to(std::make_shared<proxy::log_sink>());
    proxy::startup how{{flags.file, flags.overrides()}, std::move(command), proxy::inheritance::take()};
    proxy::predecessor before(std::move(how.inherited.predecessor));
    auto loaded = conf::load(how.source.file, how.source.overrides);
    if (const auto* errors = std::get_if<std::vector<conf::config_error>>(&loaded)) {
        std::string all;
        for (const auto& error : *errors) all += (all.empty() ? "" : "\n") + error.text();
        tell_both(all, before);
        return exit_code_of(*errors);
    }
    auto made = proxy::control::create(std::get<conf::settings>(std::move(loaded)), std::move(how));
    if (const auto* problem = std::get_if<std::string>(&made)) {
        tell_both("aimeter: " + *problem, before);
        return exit_failed;
    }
    return std::get<std::unique_ptr<proxy::control>>(made)->run(std::move(before));
}

// What the settings name (certificates, keys, prices) is read as serve does, since only that shows whether it can be
// used.
int check(const serve_flags& flags) {
    const auto loaded = conf::load(flags.file, flags.overrides());
    if (const auto* settings = std::get_if<conf::settings>(&loaded)) {
        const auto rules = proxy::make_rules(*settings, "the secret is serve's own");
        if (const auto* problem = std::get_if<std::string>(&rules)) {
            std::cerr << conf::with_place(*problem, flags.file, flags.overrides()) << "\n";
            return exit_failed;
        }
    }
    const int code = conf::run_check(flags.file, flags.overrides(), std::cout, std::cerr);
    const auto* errors = std::get_if<std::vector<conf::config_error>>(&loaded);
    return errors != nullptr ? exit_code_of(*errors) : code;
}

int verify(const serve_flags& flags, const tracking::store::verify_options& how) {
    const auto loaded = load(flags);
    if (const int* code = std::get_if<int>(&loaded)) return *code;
    std::string problem;
    const bool same = tracking::store::verify(std::get<conf::settings>(loaded), how, std::cout, problem);
    if (!problem.empty()) std::cerr << "aimeter verify: " << problem << "\n";
    return same && problem.empty() ? 0 : exit_failed;
}

struct reprice_flags {
    std::string from, to;
    bool apply = false;
};

int reprice(const serve_flags& flags, const reprice_flags& asked) {
    const auto days = tracking::store::read_days(asked.from, asked.to);
    if (const auto* wrong = std::get_if<std::string>(&days)) {
        std::cerr << "aimeter reprice: " << *wrong << "\n";
        return exit_usage;
    }
    const auto loaded = load(flags);
    if (const int* code = std::get_if<int>(&loaded)) return *code;
    std::string problem;
    const auto& range = std::get<tracking::store::day_range>(days);
    if (tracking::store::reprice(std::get<conf::settings>(loaded), range, asked.apply, std::cout, problem)) return 0;
    std::cerr << "aimeter reprice: " << problem << "\n";
    return exit_failed;
}

struct price_flags {
    std::string file;
    std::string audio_seconds;  // with up to 3 places
    tracking::price_question question;
};

int price(price_flags& flags) {
    if (!flags.audio_seconds.empty()) {
        const auto ms = conf::parse_decimal(flags.audio_seconds, 3);
        if (!std::holds_alternative<std::int64_t>(ms)) {
            std::cerr << "aimeter price: --audio-seconds: '" << flags.audio_seconds
                      << "' is not seconds, such as 12.5\n";
            return exit_usage;
        }
        flags.question.units.audio_ms = std::get<std::int64_t>(ms);
    }
    serve_flags file_only;
    file_only.file = flags.file;
    const auto loaded = load(file_only);
    if (const int* code = std::get_if<int>(&loaded)) return *code;
    return tracking::run_price(std::get<conf::settings>(loaded).pricing, flags.question, std::cout, std::cerr);
}

struct demo_flags {
    std::string listen = "127.0.0.1:3000";
    std::string traffic;  // send sample traffic to this address instead of serving
};

// "host:port", with or without http:// in front.
std::optional<std::pair<std::string, std::uint16_t>> host_and_port(std::string_view text) {
    if (text.starts_with("http://")) text.remove_prefix(7);
    while (text.ends_with('/')) text.remove_suffix(1);
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::uint16_t port = 0;
    const auto [end, ec] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return std::pair(std::string(text.substr(0, colon)), port);
}

int demo_command(const demo_flags& flags) {
    const std::string& text = flags.traffic.empty() ? flags.listen : flags.traffic;
    const auto where = host_and_port(text);
    if (!where) {
        std::cerr << "aimeter demo: '" << text << "' is not host:port\n";
        return exit_usage;
    }
    return flags.traffic.empty() ? demo::run(where->first, where->second)
                                 : demo::send_sample_traffic(where->first, where->second);
}

// A flag that overrides a key. Not bound to the optional itself: CLI11 takes an empty value for none.
void add_override(CLI::App& command, const char* name, std::optional<std::string>& into, const char* what) {
    command.add_option_function<std::string>(name, [&into](const std::string& value) { into = value; }, what);
}

// The usual flags of a command that reads the configuration.
void add_config(CLI::App& command, serve_flags& flags) {
    command.add_option("-c,--config", flags.file, "configuration file (TOML)")->check(CLI::ExistingFile);
    add_override(command, "--redis", flags.redis, "Redis: redis://host:port/db, unix:/path; empty = embedded");
    add_override(command, "--data", flags.data, "folder of journal, embedded Redis and admin token");
}

// What a request used, class by class; at least one of them is needed.
void add_usage(CLI::App& command, price_flags& flags) {
    CLI::App& used = *command.add_option_group("used", "what the request used")->require_option(1, 0);
    auto& counts = flags.question.counts;
    auto& units = flags.question.units;
    const auto count = [&used](const char* name, auto& into, const char* what) {
        return used.add_option(name, into, what)->check(CLI::NonNegativeNumber);
    };
    count("--input", counts.input, "prompt tokens, all parts of them included");
    count("--output", counts.output, "generated tokens, all parts of them included");
    count("--cached", counts.cached, "prompt tokens served by the provider's cache");
    count("--cache-write", counts.cache_write, "prompt tokens stored in the provider's cache, for any time");
    count("--cache-write-1h", counts.cache_write_1h, "of them, those stored for an hour");
    count("--reasoning", counts.reasoning, "generated tokens that are reasoning");
    count("--audio-input", counts.audio_input, "prompt tokens that are audio");
    count("--audio-output", counts.audio_output, "generated tokens that are audio");
    count("--image-input", counts.image_input, "prompt tokens that are images");
    count("--image-output", counts.image_output, "generated tokens that are images");
    count("--images", units.images, "images generated");
    count("--pages", units.pages, "pages read");
    count("--search-units", units.search_units, "search units of reranking");
    count("--searches", units.web_searches, "web searches made for the answer");
    count("--characters", units.characters, "characters of text spoken");
    used.add_option("--audio-seconds", flags.audio_seconds, "seconds of audio heard or spoken, to the millisecond");
    command.add_option("--service-tier", flags.question.service_tier, "standard, batch, priority or flex")
        ->check(CLI::IsMember({"standard", "batch", "priority", "flex"}));
}

}  // namespace

int main(int argc, char** argv) {
    log_to(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    CLI::App app("aimeter: a reverse proxy that meters AI endpoints", "aimeter");
    app.require_subcommand(1);
    int result = 0;

    serve_flags flags;
    CLI::App* serve_command = app.add_subcommand("serve", "serve as a proxy until SIGTERM");
    add_config(*serve_command, flags);
    add_override(*serve_command, "--listen", flags.listen, "host:port or unix:/path; several by comma");
    add_override(*serve_command, "--upstream", flags.upstream, "the application: http://host:port or unix:/path");
    add_override(*serve_command, "--workers", flags.workers, "worker threads; 0 = one per core");
    serve_command->callback([&] { result = serve(flags, proxy::start_command::of(argc, argv)); });

    CLI::App* check_command = app.add_subcommand("check", "validate the configuration");
    add_config(*check_command, flags);
    check_command->callback([&] { result = check(flags); });

    CLI::App* verify_command = app.add_subcommand("verify", "recount streams against hashes against the journal");
    add_config(*verify_command, flags);
    tracking::store::verify_options verified;
    auto* repair = verify_command->add_flag("--repair", verified.repair, "make the hashes what the streams say");
    verify_command->add_flag("--dry-run", verified.dry_run, "with --repair: say what it would change")->needs(repair);
    verify_command->add_flag("--force", verified.force, "with --repair: even if the streams have lost entries")
        ->needs(repair);
    verify_command->add_option("--differences", verified.shown, "differences to print; the rest is counted");
    verify_command->add_option("--memory", verified.memory_mb, "MB to count in; what does not fit takes another pass")
        ->check(CLI::Range(1, 1'000'000));
    verify_command->callback([&] { result = verify(flags, verified); });

    reprice_flags repriced;
    CLI::App* reprice_command = app.add_subcommand("reprice", "what recorded requests cost under the prices of today");
    add_config(*reprice_command, flags);
    reprice_command->add_option("--from", repriced.from, "first day, YYYY-MM-DD, in the configured time zone")
        ->required();
    reprice_command->add_option("--to", repriced.to, "last day")->required();
    reprice_command->add_flag("--apply", repriced.apply, "record the corrections beside the records");
    reprice_command->callback([&] { result = reprice(flags, repriced); });

    price_flags priced;
    CLI::App* price_command = app.add_subcommand("price", "what the catalogue says a request costs, and why");
    add_usage(*price_command, priced);
    price_command->add_option("model", priced.question.model, "model id")->required();
    price_command->add_option("--provider", priced.question.provider, "look under this provider's ids first");
    price_command->add_option("-c,--config", priced.file, "configuration file (TOML)")->check(CLI::ExistingFile);
    price_command->callback([&] { result = price(priced); });

    demo_flags demonstrated;
    CLI::App* demo_app = app.add_subcommand("demo", "a small AI service to try things out with");
    demo_app->add_option("--listen", demonstrated.listen, "host:port");
    demo_app->add_option("--traffic", demonstrated.traffic, "send sample traffic to this address instead of serving");
    demo_app->callback([&] { result = demo_command(demonstrated); });

    app.add_subcommand("version", "print the version")->callback([] { std::puts("aimeter " AIMETER_VERSION); });

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : exit_usage;
    }
    return result;
}
