// The tables of proxy_framing_test: the families of request smuggling and malformed messages, row by row (RFC 9112,
// sections 2, 3, 5, 6, 7 and 11.2).
#pragma once

#include <string>
#include <vector>

namespace tests {

using namespace std::string_literals;

struct bad_request {
    std::string name;
    std::string bytes;
    std::vector<int> statuses{400};
    bool nginx = false;  // nginx refuses it, too
};

inline std::string post(const std::string& fields, const std::string& body = "") {
    return "POST /evil HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

inline const std::string smuggled = "GET /evil-smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

inline std::vector<bad_request> ambiguous_lengths() {
    const std::string chunked_end = "0\r\n\r\n";
    std::vector<bad_request> out{
        {"CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", chunked_end + "G"), {400}, true},
        {"TE.CL",
         post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "5c\r\n" + smuggled + chunked_end),
         {400},
         true},
        {"TE.CL length 0",
         post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", chunked_end + smuggled),
         {400},
         true},
        {"CL.CL differing", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), {400}, true},
        {"CL list differing", post("Content-Length: 5, 6\r\n", "hello!"), {400}, true},
        {"CL.CL 0 and rest", post("Content-Length: 0\r\nContent-Length: 44\r\n", smuggled), {400}, true},
        {"TE gzip alone", post("Transfer-Encoding: gzip\r\n", smuggled), {400, 501}, true},
        {"TE gzip, CL", post("Transfer-Encoding: gzip\r\nContent-Length: 3\r\n", "abc" + smuggled), {400, 501}, true},
        {"TE identity",
         post("Transfer-Encoding: identity\r\nContent-Length: 3\r\n", "abc" + smuggled),
         {400, 501},
         true},
        {"TE chunked, identity",
         post("Transfer-Encoding: chunked, identity\r\n", chunked_end + smuggled),
         {400, 501},
         true},
        {"TE identity, chunked", post("Transfer-Encoding: identity, chunked\r\n", chunked_end), {400, 501}, true},
        {"TE twice chunked", post("Transfer-Encoding: chunked, chunked\r\n", chunked_end), {400, 501}, true},
        {"TE two fields chunked",
         post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked_end),
         {400, 501},
         true},
        {"TE two fields x",
         post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", chunked_end),
         {400, 501},
         true},
        {"TE two fields cow",
         post("Transfer-encoding: cow\r\nTransfer-Encoding: chunked\r\n", chunked_end),
         {400, 501},
         true},
        {"TE empty", post("Transfer-Encoding:\r\nContent-Length: 3\r\n", "abc"), {400, 501}, true},
        {"TE comma only", post("Transfer-Encoding: ,\r\n", chunked_end), {400, 501}, true},
        {"TE xchunked", post("Transfer-Encoding: xchunked\r\n", chunked_end), {400, 501}, true},
        {"TE chunkedx", post("Transfer-Encoding: chunkedx\r\n", chunked_end), {400, 501}, true},
        {"TE chunk", post("Transfer-Encoding: chunk\r\n", chunked_end), {400, 501}, true},
        {"TE quoted", post("Transfer-Encoding: \"chunked\"\r\n", chunked_end), {400, 501}, true},
        {"TE parameter", post("Transfer-Encoding: chunked;q=1\r\n", chunked_end), {400, 501}, true},
        {"TE bracket", post("Transfer-Encoding: [chunked\r\n", chunked_end), {400, 501}, true},
        {"TE vertical tab", post("Transfer-Encoding: \vchunked\r\n", chunked_end), {400, 501}, true},
        {"TE form feed", post("Transfer-Encoding: chunked\f\r\n", chunked_end), {400, 501}, true},
        {"TE NUL", post("Transfer-Encoding: chunked\0\r\n"s, chunked_end), {400, 501}, true},
        {"TE CR inside", post("Transfer-Encoding: chun\rked\r\n", chunked_end), {400, 501}, true},
        {"TE space before colon", post("Transfer-Encoding : chunked\r\n", chunked_end + smuggled), {400}, true},
        {"TE tab before colon", post("Transfer-Encoding\t: chunked\r\n", chunked_end + smuggled), {400}, true},
        {"TE folded", post("Transfer-Encoding:\r\n chunked\r\n", chunked_end), {400, 501}, true},
        {"TE after a fold", post("X: y\r\n Transfer-Encoding: chunked\r\n", chunked_end), {400}, true},
        {"TE behind a bare CR", post("X: y\rTransfer-Encoding: chunked\r\n", chunked_end)},
        {"TE behind a bare LF", post("X: y\nTransfer-Encoding: chunked\r\n", chunked_end)},
        {"TE in HTTP/1.0",
         "POST /evil HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked_end,
         {400, 501},
         true},
    };
    const std::vector<std::string> lengths{"-5",
                                           "+5",
                                           "0x5",
                                           "5a",
                                           "5 5",
                                           "5.0",
                                           "\"5\"",
                                           "five",
                                           "",
                                           "5,",
                                           ",5",
                                           "5;5",
                                           "1e1",
                                           "5\v",
                                           "5\t5",
                                           "\xef\xbc\x95",
                                           "9223372036854775808",
                                           "18446744073709551616",
                                           "18446744073709551621",
                                           "99999999999999999999999999"};
    for (const auto& length : lengths)
        out.push_back({"CL " + length, post("Content-Length: " + length + "\r\n", "hello")});
    out.push_back({"CL NUL", post("Content-Length: 5\0\r\n"s, "hello"), {400}, true});
    out.push_back({"CL space before colon", post("Content-Length : 5\r\n", "hello"), {400}, true});
    out.push_back({"CL folded", post("Content-Length:\r\n 5\r\n", "hello"), {400}, true});
    return out;
}

inline std::vector<bad_request> malformed_heads() {
    const std::string end = " HTTP/1.1\r\nHost: a\r\n\r\n";
    return {
        {"HTTP/0.9", "GET /evil\r\n\r\n"},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}, true},
        {"HTTP/2.0", "GET /evil HTTP/2.0\r\nHost: a\r\n\r\n", {400, 505}, true},
        {"HTTP/3.1", "GET /evil HTTP/3.1\r\nHost: a\r\n\r\n", {400, 505}, true},
        {"HTTP/0.9 named", "GET /evil HTTP/0.9\r\nHost: a\r\n\r\n", {400, 505}, true},
        {"version in lower case", "GET /evil http/1.1\r\nHost: a\r\n\r\n", {400, 505}, true},
        {"version HTTP/1", "GET /evil HTTP/1\r\nHost: a\r\n\r\n", {400, 505}, true},
        {"version HTTP/1.10", "GET /evil HTTP/1.10\r\nHost: a\r\n\r\n", {400, 505}},
        {"version HTTP/01.1", "GET /evil HTTP/01.1\r\nHost: a\r\n\r\n", {400, 505}, true},
        {"version HTTP/1,1", "GET /evil HTTP/1,1\r\nHost: a\r\n\r\n", {400, 505}, true},
        {"version ICE", "GET /evil ICE/1.1\r\nHost: a\r\n\r\n", {400, 505}, true},
        {"space behind the version", "GET /evil HTTP/1.1 \r\nHost: a\r\n\r\n"},
        {"four words", "GET /evil x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"two spaces", "GET  /evil" + end},
        {"tab as separator", "GET\t/evil\tHTTP/1.1\r\nHost: a\r\n\r\n", {400}, true},
        {"leading space", " GET /evil" + end, {400}, true},
        {"no target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", {400}, true},
        {"only a method", "GET\r\n\r\n", {400}, true},
        {"method with a bad byte", "GE(T /evil" + end, {400, 501}, true},
        {"method with a colon", "GET: /evil" + end, {400, 501}, true},
        {"method with a NUL", "GE\0T /evil"s + end, {400, 501}, true},
        {"method with a high byte", "G\xc3\x89T /evil" + end, {400, 501}, true},
        {"empty method", " /evil" + end, {400, 501}, true},
        {"CONNECT authority", "CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n", {400, 405, 501}, true},
        {"CONNECT path", "CONNECT /evil" + end, {400, 405, 501}, true},
        {"target without a slash", "GET evil" + end, {400}, true},
        {"target authority", "GET evil:80" + end, {400}, true},
        {"target asterisk for GET", "GET *" + end, {400}, true},
        {"target with a NUL", "GET /ev\0il"s + end, {400}, true},
        {"target with a control byte", "GET /ev\x01il" + end, {400}, true},
        {"target with DEL", "GET /ev\x7fil" + end, {400}, true},
        {"target with a bare CR", "GET /ev\ril" + end, {400}, true},
        {"target without a host", "GET http:///evil" + end, {400}, true},
        {"target with user info", "GET http://user@evil/" + end},
        {"target of another scheme", "GET ftp://evil/" + end, {400}},
        {"target host with a space byte", "GET http://ev%20il\x01/" + end, {400}, true},
        {"bare LF line ends", "GET /evil HTTP/1.1\nHost: a\n\n"},
        {"bare LF behind the request line", "GET /evil HTTP/1.1\nHost: a\r\n\r\n"},
        {"bare LF behind a field", "GET /evil HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"},
        {"bare LF at the end", "GET /evil HTTP/1.1\r\nHost: a\r\n\n"},
        {"bare CR in a value", "GET /evil HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"},
        {"bare CR in the head's end", "GET /evil HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n", {400}, true},
        {"CR CR LF", "GET /evil HTTP/1.1\r\nHost: a\r\r\n\r\n"},
        {"NUL in a value", "GET /evil HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"s, {400}, true},
        {"control byte in a value", "GET /evil HTTP/1.1\r\nHost: a\r\nX: a\x01z\r\n\r\n"},
        {"DEL in a value", "GET /evil HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n"},
        {"NUL in a name", "GET /evil HTTP/1.1\r\nHost: a\r\nX\0Y: a\r\n\r\n"s, {400}, true},
        {"space before the colon", "GET /evil HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", {400}, true},
        {"space in a name", "GET /evil HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", {400}, true},
        {"empty name", "GET /evil HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n"},
        {"no colon", "GET /evil HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"},
        {"high byte in a name", "GET /evil HTTP/1.1\r\nHost: a\r\nX\xe9: z\r\n\r\n"},
        {"bracket in a name", "GET /evil HTTP/1.1\r\nHost: a\r\nX[0]: z\r\n\r\n"},
        {"folded field", "GET /evil HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", {400}, true},
        {"folded with a tab", "GET /evil HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"},
        {"folded first field", "GET /evil HTTP/1.1\r\n Host: a\r\nX: a\r\n\r\n", {400}, true},
        {"a blank that is a space", "GET /evil HTTP/1.1\r\nHost: a\r\n \r\n\r\n", {400}, true},
        {"no Host", "GET /evil HTTP/1.1\r\nX: y\r\n\r\n", {400}, true},
        {"two Hosts", "GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", {400}, true},
        {"two equal Hosts", "GET /evil HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", {400}, true},
        {"Host list", "GET /evil HTTP/1.1\r\nHost: a, b\r\n\r\n"},
        {"Host with a space", "GET /evil HTTP/1.1\r\nHost: a b\r\n\r\n", {400}},
        {"Host with a slash", "GET /evil HTTP/1.1\r\nHost: a/b\r\n\r\n", {400}, true},
        {"Host with user info", "GET /evil HTTP/1.1\r\nHost: u@a\r\n\r\n"},
        {"Host with a query", "GET /evil HTTP/1.1\r\nHost: a?b\r\n\r\n"},
        {"Host with a fragment", "GET /evil HTTP/1.1\r\nHost: a#b\r\n\r\n"},
        {"Host with a bad port", "GET /evil HTTP/1.1\r\nHost: a:8x\r\n\r\n"},
        {"Host with two ports", "GET /evil HTTP/1.1\r\nHost: a:80:81\r\n\r\n"},
        {"Host with an open bracket", "GET /evil HTTP/1.1\r\nHost: [::1\r\n\r\n", {400}},
        {"TLS ClientHello",
         "\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03"s + std::string(40, '\x42') + "\r\n\r\n",
         {400},
         true},
        {"SSH banner", "SSH-2.0-OpenSSH_9.2\r\n\r\n", {400}, true},
        {"proxy protocol", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /evil" + end, {400}, true},
        {"SOCKS", "\x05\x01\x00\r\n\r\n"s, {400}, true},
    };
}

// The head is in order and may already have been forwarded: the upstream must see its request broken off.
inline std::vector<bad_request> malformed_chunks() {
    const auto chunks = [](const std::string& body) { return post("Transfer-Encoding: chunked\r\n", body); };
    return {
        {"size not hex", chunks("xyz\r\nabc\r\n0\r\n\r\n")},
        {"size 0x", chunks("0x3\r\nabc\r\n0\r\n\r\n")},
        {"size +3", chunks("+3\r\nabc\r\n0\r\n\r\n")},
        {"size -1", chunks("-1\r\nabc\r\n0\r\n\r\n")},
        {"size empty", chunks("\r\nabc\r\n0\r\n\r\n")},
        {"size with a leading space", chunks(" 3\r\nabc\r\n0\r\n\r\n")},
        {"size with an underscore", chunks("1_0\r\nabcdefghijklmnop\r\n0\r\n\r\n")},
        {"size 2^64", chunks("10000000000000000\r\nabc\r\n0\r\n\r\n")},
        {"size 2^64 + 3", chunks("10000000000000003\r\nabc\r\n0\r\n\r\n")},
        {"size 2^64 - 1", chunks("FFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n")},
        {"size 2^63", chunks("8000000000000000\r\nabc\r\n0\r\n\r\n")},
        {"size of 40 digits", chunks(std::string(39, '0') + "g\r\nabc\r\n0\r\n\r\n")},
        {"size with a bare LF", chunks("3\nabc\r\n0\r\n\r\n")},
        {"size with a bare CR", chunks("3\rabc\r\n0\r\n\r\n")},
        {"size with CR CR LF", chunks("3\r\r\nabc\r\n0\r\n\r\n")},
        {"size with a NUL", chunks("3\0\r\nabc\r\n0\r\n\r\n"s)},
        {"extension with a bare LF", chunks("3;a\nb\r\nabc\r\n0\r\n\r\n")},
        {"quoted extension with a bare LF", chunks("3;a=\"b\nc\"\r\nabc\r\n0\r\n\r\n")},
        {"extension with a bare CR", chunks("3;a\rb\r\nabc\r\n0\r\n\r\n")},
        {"extension with a NUL", chunks("3;a\0b\r\nabc\r\n0\r\n\r\n"s)},
        {"data longer than its size", chunks("3\r\nabcd\r\n0\r\n\r\n")},
        {"data without its line end", chunks("3\r\nabc0\r\n\r\n")},
        {"data with a bare LF end", chunks("3\r\nabc\n0\r\n\r\n")},
        {"data with a bare CR end", chunks("3\r\nabc\rX0\r\n\r\n")},
        {"trailer with a bare LF", chunks("0\r\nX: y\n\r\n")},
        {"trailer with a space before its colon", chunks("0\r\nX : y\r\n\r\n")},
        {"trailer without a colon", chunks("0\r\nGET /evil-smuggled HTTP/1.1\r\n\r\n")},
        {"trailer folded", chunks("0\r\nX: y\r\n z\r\n\r\n")},
        {"trailer with a NUL", chunks("0\r\nX: y\0\r\n\r\n"s)},
        {"end with a bare LF", chunks("0\r\n\n" + smuggled)},
        {"end with CR X", chunks("0\r\n\rX\r\n\r\n")},
    };
}

struct bad_answer {
    std::string name;
    std::string bytes;
    bool nginx = false;
};

inline std::vector<bad_answer> malformed_answers() {
    return {
        {"nothing", "", true},
        {"garbage", "\x01\x02\x03 what\r\n\r\n"},
        {"no status line", "Content-Length: 0\r\n\r\n"},
        {"status 099", "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n"},
        {"status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"},
        {"status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"},
        {"status in words", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"},
        {"no space behind the status", "HTTP/1.1 200OK\r\nContent-Length: 0\r\n\r\n"},
        {"version 2", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
        {"version ICY", "ICY 200 OK\r\n\r\n"},
        {"lengths differ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"},
        {"length list", "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nabc"},
        {"length negative", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc"},
        {"length plus", "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc"},
        {"length too big", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc"},
        {"length and chunked",
         "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
        {"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc"},
        {"chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
        {"chunked in the middle", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
        {"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"},
        {"space before a colon", "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n"},
        {"folded field", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n"},
        {"NUL in a value", "HTTP/1.1 200 OK\r\nX: y\0z\r\nContent-Length: 0\r\n\r\n"s},
        {"bare CR in a value", "HTTP/1.1 200 OK\r\nX: y\rSet-Cookie: z\r\nContent-Length: 0\r\n\r\n"},
        {"bare LF in the head", "HTTP/1.1 200 OK\r\nX: y\nContent-Length: 0\r\n\r\n"},
        {"no colon", "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n"},
        {"bad byte in a name", "HTTP/1.1 200 OK\r\nX(: y\r\nContent-Length: 0\r\n\r\n"},
        {"head cut", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", true},
        {"head without end", "HTTP/1.1 200 OK\r\nX: " + std::string(500'000, 'x'), true},
        {"103 and nothing more", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"},
        {"101 that nobody asked for",
         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: Upgrade\r\n\r\n"},
    };
}

}  // namespace tests
