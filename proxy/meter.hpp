// What a request costs and says: fills one record while a tracked request passes, and puts it into the journal. The
// exchange tells it what happens, in the order in which it happens; nothing here does I/O, waits or throws. Meters
// are pooled per worker; one serves one request at a time.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "conf/config.hpp"
#include "proxy/head.hpp"
#include "proxy/label_bounds.hpp"
#include "proxy/object_pool.hpp"
#include "proxy/route_memory.hpp"
#include "proxy/tls.hpp"
#include "tracking/clock.hpp"
#include "tracking/journal/journal.hpp"
#include "tracking/pricing.hpp"
#include "tracking/record.hpp"
#include "tracking/request/cache_rules.hpp"
#include "tracking/request/identity.hpp"
#include "tracking/request/routes.hpp"
#include "tracking/usage/answer.hpp"

namespace proxy {

// Everything that decides about requests and may change at a reload; immutable, one copy for each worker.
struct rules {
    conf::settings settings;
    tracking::route_rules routes;
    tracking::cache_rules caches;
    tracking::cidr_set trusted;
    std::shared_ptr<const tracking::identity_rules> identity;
    std::shared_ptr<const tracking::price_catalogue> prices;
    std::string upstream_host;  // Host field of the first peer
    std::string provider_host;  // the first peer, when that is a provider's own API
    tls_contexts tls;

    // No address: the peer came by a unix socket.
    bool trusts(const std::optional<tracking::cidr_set::address>& peer) const noexcept {
        return !peer || trusted.contains(*peer);
    }
};

// How an exchange ended, for the record.
struct exchange_end {
    tracking::outcome result = tracking::outcome::ok;
    int status = 0;
    bool delivered = false;  // the answer went to the client completely
    std::string problem;     // of an answer that aimeter made itself
};

// What reads bodies: lent to a meter for as long as there is a body to be read. A few serve all requests that are under
// way, and stay in the processor's cache.
struct scanner_pools {
    object_pool<tracking::usage::request_scanner> requests;
    object_pool<tracking::usage::answer_scanner> answers;
};

class meter {
public:
    struct arrival {
        const request_head& head;
        const route& way;
        std::string_view peer;
        bool peer_trusted;
        std::string_view request_id;
        steady_time received;
        std::int64_t received_us;
    };
    // `scanners` stays until the meter has ended.
    void begin(const rules& by, const arrival& what, tracking::identity_rules::memory& seen_tokens,
               scanner_pools& scanners);
    void request_body(std::string_view piece) noexcept { request_->feed(piece); }
    void request_whole();  // no more of its body comes
    void attempt() noexcept { ++record_.attempts; }
    // The request is about to be written to the upstream: the begin frame, once.
    void forward(tracking::journal::writer& journal, label_bounds& labels);
    void request_sent(steady_time now) noexcept;
    void answer_head(const response_head& head);
    void answer_body(std::string_view piece, steady_time now) noexcept;
    void upstream_ended(steady_time now) noexcept { last_upstream_ = now; }
    // Closes the record and appends it.
    void end(const exchange_end& how, steady_time now, tracking::journal::writer& journal, label_bounds& labels);

    const tracking::record& record() const noexcept { return record_; }

private:
    struct stated_facts {  // X-AI-* fields of the answer
        std::string provider, model, content_type, feature, user_id, plan, error;
        std::optional<std::int64_t> input_tokens, output_tokens, cost_nano;
        std::optional<bool> cached;
        bool failed = false;
        void clear();
    };
    void take_asked();
    void read_facts(const response_head& head);
    void take_names();
    void take_usage(bool cut_short);
    void take_outcome(const exchange_end& how);
    void take_cost(const exchange_end& how);
    void take_saved();
    void take_cache(int status);
    void nothing_billed();
    bool take_price();
    void estimate();
    tracking::billed_usage usage_to_price() const;
    std::optional<tracking::price_quote> quote() const;
    std::optional<std::int64_t> reported_cost() const;
    std::int64_t micros_since_arrival(steady_time at) const noexcept;
    const tracking::usage::usage_facts& facts() const noexcept { return answer_->facts(); }  // when answered_

    const rules* rules_ = nullptr;
    tracking::record record_;
    tracking::identity who_;
    scanner_pools* scanners_ = nullptr;
    object_pool<tracking::usage::request_scanner>::lent request_;  // until the request is whole
    object_pool<tracking::usage::answer_scanner>::lent answer_;    // from the answer's head on
    stated_facts stated_;
    tracking::usage::head_counts counted_;  // by the provider, in the answer's head
    tracking::cache_verdict cache_;
    std::string_view provider_;  // of the host or path; empty when they tell none
    bool asked_stream_ = false;
    bool billable_ = true;
    bool generates_ = true;  // false: what the answer tells holds, and nothing is estimated
    bool is_head_ = false;
    bool answered_ = false;
    std::uint64_t ticket_ = 0;
    steady_time received_{};
    steady_time sent_{};
    steady_time last_upstream_{};
    bool sent_known_ = false;
    bool forwarded_ = false;
};

}  // namespace proxy
