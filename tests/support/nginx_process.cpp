// nginx as a plain proxy behind the same interface: the yardstick for expectations that are not aimeter's own.
#include <fstream>
#include <stdexcept>

#include "tests/support/running_proxy.hpp"

namespace tests {
namespace {

constexpr std::string_view conf_text = R"(daemon off; master_process off; error_log stderr warn; pid @DIR@/pid;
events { worker_connections 1024; }
http {
  access_log off; client_max_body_size 0; ignore_invalid_headers off; underscores_in_headers on;
  client_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p; fastcgi_temp_path @DIR@/f; uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;
  map $http_upgrade $forwarded_connection { default ""; websocket upgrade; }
  upstream app { server @APP@ max_fails=0; keepalive 16; }
  server {
    listen 127.0.0.1:@PORT@;
    location / {
      proxy_pass http://app; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $forwarded_connection;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
)";

class nginx_process : public running_proxy {
public:
    explicit nginx_process(proxy_options options) : options_(std::move(options)) {}

    void start() override {
        process_.reset();
        listen_on("127.0.0.1", port_);  // free a moment ago; nginx cannot tell a port that it chose itself
        std::string text(conf_text);
        replace(text, "@DIR@", folder_.path());
        replace(text, "@PORT@", std::to_string(port_));
        replace(text, "@APP@", options_.upstream.substr(std::string_view("http://").size()));
        std::ofstream(folder_.path() + "/nginx.conf") << text;
        process_ = std::make_unique<child_process>(
            spawn_options{{"/usr/sbin/nginx", "-p", folder_.path(), "-c", folder_.path() + "/nginx.conf"}, {}, {}});
        if (!eventually([&] { return connect().connected(); })) {
            throw std::runtime_error("nginx did not start: " + process_->err());
        }
    }
    std::uint16_t port() const override { return port_; }
    pid_t pid() const override { return process_->pid(); }
    child_process& process() override { return *process_; }

private:
    static void replace(std::string& in, std::string_view what, const std::string& with) {
        for (auto at = in.find(what); at != std::string::npos; at = in.find(what, at + with.size())) {
            in.replace(at, what.size(), with);
        }
    }

    proxy_options options_;
    temp_dir folder_;
    std::uint16_t port_ = 0;
    std::unique_ptr<child_process> process_;
};

}  // namespace

std::unique_ptr<running_proxy> make_proxy(const proxy_options& options) {
    if (proxy_is_nginx()) return std::make_unique<nginx_process>(options);
    return std::make_unique<aimeter_process>(options);
}

}  // namespace tests
