#include <sys/stat.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/running_proxy.hpp"

namespace tests {
namespace {

constexpr std::string_view ready_words = "aimeter ready: listening on ";
constexpr milliseconds start_within{30'000};

// A kill at the wrong moment must not be mistaken for a leak.
const std::map<std::string, std::string> sanitizer_options{
    {"ASAN_OPTIONS", "detect_leaks=0:abort_on_error=0:exitcode=99"},
    {"UBSAN_OPTIONS", "print_stacktrace=1:exitcode=99"},
    {"TSAN_OPTIONS", "exitcode=99"}};

std::string socket_under(const std::string& folder) {
    std::error_code ignored;
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder, ignored)) {
        if (file.is_socket(ignored)) return file.path();
    }
    return {};
}

std::string in_quotes(const std::string& text) { return '"' + text + '"'; }

std::string quoted_list(const std::string& separated_by_commas) {
    std::string list;
    std::istringstream from(separated_by_commas);
    for (std::string one; std::getline(from, one, ',');) list += (list.empty() ? "\"" : ", \"") + one + '"';
    return "[" + list + "]";
}

}  // namespace

aimeter_process::aimeter_process(proxy_options options) : options_(std::move(options)) {
    data_dir_ = folder_.path() + "/var";
    config_path_ = folder_.path() + "/aimeter.toml";
    rewrite_config(options_.config);
    options_.env.insert(sanitizer_options.begin(), sanitizer_options.end());
}

aimeter_process::~aimeter_process() {
    process_.reset();
    kill_adopted_children();
}

void aimeter_process::rewrite_config(const std::string& text, const std::string& upstream) {
    options_.upstream = upstream;
    std::ofstream out(config_path_, std::ios::trunc);
    out << "listen = " << in_quotes(options_.listen) << "\nupstream = " << quoted_list(upstream)
        << "\ndata_dir = " << in_quotes(data_dir_) << "\ndrain_timeout = " << in_quotes(options_.drain_timeout) << "\n";
    if (text.find("workers") == std::string::npos) out << "workers = 1\n";
    out << text << "\n";
}

spawn_options aimeter_process::how_to_serve() const {
    spawn_options spawn{
        {AIMETER_BINARY, "serve", "-c", config_path_}, options_.env, AIMETER_SOURCE_DIR, options_.err_is_read};
    spawn.args.insert(spawn.args.end(), options_.flags.begin(), options_.flags.end());
    return spawn;
}

void aimeter_process::launch() {
    process_.reset();
    process_ = std::make_unique<child_process>(how_to_serve());
}

void aimeter_process::start() {
    launch();
    const auto until = clock::now() + start_within;
    const auto ready_line = [&]() -> std::string {
        const std::string out = process_->out();
        const auto at = out.find(ready_words);
        const auto end = at == std::string::npos ? at : out.find('\n', at);
        return end == std::string::npos ? "" : out.substr(at, end - at);
    };
    process_->wait_out(ready_words, start_within);
    eventually([&] { return !ready_line().empty() || !process_->running(); },
               std::chrono::duration_cast<milliseconds>(until - clock::now()));
    const std::string line = ready_line();
    const auto colon = line.rfind(':');
    if (line.empty() && !process_->running()) process_->wait_output_end();
    if (line.empty()) throw std::runtime_error("aimeter did not start: " + process_->out() + process_->err());
    std::from_chars(line.data() + colon + 1, line.data() + line.size(), port_);
}

redis_view aimeter_process::redis(milliseconds within) const {
    const auto until = clock::now() + within;
    for (;;) {
        try {
            redis_view view(socket_under(data_dir_ + "/redis"));
            view.text({"PING"});
            return view;
        } catch (const std::exception&) {  // not there yet, or not up again yet
            if (clock::now() >= until) throw;
        }
        std::this_thread::sleep_for(milliseconds(5));
    }
}

aimeter_process::result aimeter_process::run(const std::string& command, const std::vector<std::string>& args) const {
    spawn_options spawn{{AIMETER_BINARY, command, "-c", config_path_}, options_.env, AIMETER_SOURCE_DIR};
    spawn.args.insert(spawn.args.end(), args.begin(), args.end());
    child_process child(spawn);
    const auto code = child.wait_exit(std::chrono::seconds(60));
    child.wait_output_end();
    return {code.value_or(-1), child.out(), child.err()};
}

bool proxy_is_nginx() {
    const char* const wanted = std::getenv("AIMETER_TEST_PROXY");
    return wanted != nullptr && std::string_view(wanted) == "nginx";
}

}  // namespace tests
