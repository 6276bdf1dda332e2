#include "tests/support/redis_fixture.hpp"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace tests {

using tracking::store::reply;

namespace {

reply owned(const redisReply& from) {
    reply to;
    switch (from.type) {
        case REDIS_REPLY_INTEGER:
            to.kind = reply::type::integer;
            break;
        case REDIS_REPLY_STRING:
            to.kind = reply::type::text;
            break;
        case REDIS_REPLY_STATUS:
            to.kind = reply::type::status;
            break;
        case REDIS_REPLY_ERROR:
            to.kind = reply::type::error;
            break;
        case REDIS_REPLY_ARRAY:
            to.kind = reply::type::array;
            break;
        default:
            return to;
    }
    to.integer = from.integer;
    if (from.str) to.text.assign(from.str, static_cast<std::size_t>(from.len));
    for (std::size_t i = 0; i < from.elements; ++i) to.elements.push_back(owned(*from.element[i]));
    return to;
}

}  // namespace

redis_fixture::redis_fixture() : redis_fixture(options{}) {}

redis_fixture::redis_fixture(options how) : how_(std::move(how)) {
    std::string pattern = "/tmp/aimr.XXXXXX";
    ::signal(SIGPIPE, SIG_IGN);  // hiredis writes without MSG_NOSIGNAL
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    dir_ = pattern;
    socket_ = dir_ + "/r.sock";
    if (!how_.config.empty()) std::ofstream(dir_ + "/redis.conf") << how_.config;
    start();
}

redis_fixture::~redis_fixture() {
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

void redis_fixture::start() {
    std::vector<std::string> words{"redis-server",
                                   "--port",
                                   "0",
                                   "--unixsocket",
                                   socket_,
                                   "--dir",
                                   dir_,
                                   "--daemonize",
                                   "no",
                                   "--save",
                                   "",
                                   "--loglevel",
                                   "warning",
                                   "--logfile",
                                   dir_ + "/log",
                                   "--appendonly",
                                   how_.append_only ? "yes" : "no",
                                   "--maxmemory-policy",
                                   "noeviction"};
    if (!how_.config.empty()) words.insert(words.begin() + 1, dir_ + "/redis.conf");
    words.insert(words.end(), how_.arguments.begin(), how_.arguments.end());
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves no server behind
        const int nowhere = ::open("/dev/null", O_RDWR);
        for (int descriptor = 0; descriptor < 3; ++descriptor) ::dup2(nowhere, descriptor);
        ::execvp(pointers[0], pointers.data());
        ::_exit(127);
    }
    wait_until_it_answers();
}

void redis_fixture::wait_until_it_answers() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < end) {
        try {
            if (!run({"PING"}).text.starts_with("LOADING")) return;
        } catch (const std::runtime_error&) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // no event tells that a server listens
    }
    kill();
    throw std::runtime_error("redis-server does not answer");
}

void redis_fixture::kill() {
    disconnect();
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    std::error_code ignored;
    std::filesystem::remove(socket_, ignored);
}

void redis_fixture::freeze() {
    frozen_ = true;
    ::kill(pid_, SIGSTOP);
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
}

void redis_fixture::unfreeze() {
    frozen_ = false;
    ::kill(pid_, SIGCONT);
}

void redis_fixture::disconnect() {
    if (connection_) redisFree(connection_);
    connection_ = nullptr;
}

reply redis_fixture::run(const std::vector<std::string>& words) {
    const bool kept = connection_ != nullptr;
    if (!kept) {
        connection_ = redisConnectUnixWithTimeout(socket_.c_str(), timeval{10, 0});
        if (!connection_ || connection_->err) {
            disconnect();
            throw std::runtime_error("cannot connect to the test's Redis");
        }
        redisSetTimeout(connection_, timeval{20, 0});
    }
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const auto& word : words) {
        texts.push_back(word.data());
        sizes.push_back(word.size());
    }
    void* raw = redisCommandArgv(connection_, static_cast<int>(words.size()), texts.data(), sizes.data());
    if (!raw) {
        disconnect();
        if (kept) return run(words);  // closed since the last command: a server that gets another role does so
        throw std::runtime_error("the test's Redis closed the connection");
    }
    const reply answer = owned(*static_cast<redisReply*>(raw));
    freeReplyObject(raw);
    return answer;
}

std::int64_t redis_fixture::number(const std::vector<std::string>& words) {
    const auto answer = run(words);
    if (answer.kind == reply::type::integer) return answer.integer;
    return answer.kind == reply::type::text ? std::stoll(answer.text) : 0;
}

std::string redis_fixture::text(const std::vector<std::string>& words) { return run(words).text; }

std::map<std::string, std::string> redis_fixture::hash(const std::string& key) {
    const auto answer = run({"HGETALL", key});
    std::map<std::string, std::string> fields;
    for (std::size_t i = 0; i + 1 < answer.elements.size(); i += 2) {
        fields[answer.elements[i].text] = answer.elements[i + 1].text;
    }
    return fields;
}

std::vector<redis_fixture::entry> redis_fixture::stream(const std::string& key) {
    std::vector<entry> entries;
    for (const auto& one : run({"XRANGE", key, "-", "+"}).elements) {
        entry made{one.elements.at(0).text, {}};
        const auto& fields = one.elements.at(1).elements;
        for (std::size_t i = 0; i + 1 < fields.size(); i += 2) made.fields[fields[i].text] = fields[i + 1].text;
        entries.push_back(std::move(made));
    }
    return entries;
}

}  // namespace tests
