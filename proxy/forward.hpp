// The heads that are sent on: one canonical head made from the received one. Order, case and duplicates survive;
// hop-by-hop fields and those that Connection names are left out, framing is written anew, never copied
// (RFC 9110, 7.6; RFC 9112, 6 and 9). Pure functions that append to a string of the caller's.
#pragma once

#include <string>
#include <string_view>

#include "proxy/framing.hpp"
#include "proxy/head.hpp"
#include "tracking/request/identity.hpp"

namespace proxy {

struct request_origin {
    std::string_view peer;             // address of the TCP peer; empty for a unix socket
    bool peer_trusted = false;         // its X-Forwarded-Host and -Proto are believed
    std::string_view scheme = "http";  // that the client used
    std::string_view request_id;       // to use when the request brings none that is fit
    std::string_view upstream_host;    // replaces Host when it is not preserved; else only fills in for a missing one
    bool preserve_host = true;
    const tracking::identity_rules* identity = nullptr;  // its headers are stripped when the peer is not trusted
    std::string_view own_cookie{};  // name of a cookie that is for us alone, and goes no further; "" = none
};

// The X-Request-Id that the request brings, when there is exactly one and it is 1-128 characters of A-Za-z0-9._:/+=@-
std::string_view usable_request_id(const request_head& head) noexcept;

// The protocol that the request asks to switch to; empty when none, and for h2c, which is not tunnelled.
std::string_view wanted_upgrade(const request_head& head) noexcept;

// Where in `out` upstream_host stands, so that another peer's can take its place; npos when it was not needed.
std::size_t write_request_head(std::string& out, const request_head& head, const body_framing& body,
                               const request_origin& origin);

struct response_form {
    body_framing body;         // as it will be sent to the client
    bool keep_alive = true;    // the client's connection stays
    int client_minor = 1;      // HTTP/1.x of the client
    bool strip_facts = false;  // leave out the X-AI-* facts meant for aimeter
    bool to_head = false;
    std::string_view date{};  // for an answer that has none (RFC 9110, 6.6.1); "" = add none
};
void write_response_head(std::string& out, const response_head& head, const response_form& form);

// True for the response fields in which an application states facts to aimeter (X-AI-Model, ...).
bool is_fact_header(std::string_view name) noexcept;

}  // namespace proxy
