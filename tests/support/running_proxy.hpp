// The proxy under test as a black box: the `aimeter` binary with its own data folder and configuration, or nginx as a
// plain proxy (environment AIMETER_TEST_PROXY=nginx), against which the expectations that every proxy meets are
// checked.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/redis_view.hpp"
#include "tests/support/sanitizer.hpp"

namespace tests {

struct proxy_options {
    std::string upstream{};  // URL, or several with commas between
    std::string config{};    // TOML; top-level keys first
    std::map<std::string, std::string> env{};
    std::vector<std::string> flags{};  // further flags of `serve`
    std::string listen = "127.0.0.1:0";
    std::string drain_timeout = "2s";
    bool err_is_read = true;  // false: until process().read_err()
};

class running_proxy {
public:
    virtual ~running_proxy() = default;
    virtual void start() = 0;  // throws with the proxy's own words when it does not come up
    virtual std::uint16_t port() const = 0;
    virtual pid_t pid() const = 0;
    virtual child_process& process() = 0;
    raw_client connect() const { return raw_client("127.0.0.1", port()); }
};

class aimeter_process : public running_proxy {
public:
    explicit aimeter_process(proxy_options options);
    ~aimeter_process() override;  // kills it, and the Redis that it started

    void start() override;  // also after it was killed: the same data folder, a new port
    void launch();          // as start(), but does not wait until it is ready
    spawn_options how_to_serve() const;
    std::uint16_t port() const override { return port_; }
    pid_t pid() const override { return process_->pid(); }
    child_process& process() override { return *process_; }

    const std::string& data_dir() const { return data_dir_; }
    const std::string& config_path() const { return config_path_; }
    void rewrite_config(const std::string& text) { rewrite_config(text, options_.upstream); }
    void rewrite_config(const std::string& text, const std::string& upstream);  // which stays for later ones
    // The embedded Redis; waits until it answers, throws when it does not.
    redis_view redis(milliseconds within = patience) const;
    // `aimeter COMMAND -c FILE ...` beside the running one.
    struct result {
        int exit_code = -1;
        std::string out, err;
    };
    result run(const std::string& command, const std::vector<std::string>& args = {}) const;

private:
    proxy_options options_;
    temp_dir folder_;
    std::string data_dir_, config_path_;
    std::uint16_t port_ = 0;
    std::unique_ptr<child_process> process_;
};

bool proxy_is_nginx();
std::unique_ptr<running_proxy> make_proxy(const proxy_options& options);  // what AIMETER_TEST_PROXY asks for

}  // namespace tests
