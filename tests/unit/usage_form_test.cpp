// The text fields of multipart/form-data bodies, however they are cut.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tracking/usage/form_data.hpp"

namespace {

using tracking::usage::form_reader;
using fields = std::vector<std::pair<std::string, std::string>>;

class collector final : public tracking::usage::form_sink {
public:
    void on_field(std::string_view name, std::string_view value) noexcept override { all.emplace_back(name, value); }
    fields all;
};

const std::string type = "multipart/form-data; boundary=----form7MA4";

std::string part(const std::string& head, const std::string& content) {
    return "------form7MA4\r\n" + head + "\r\n\r\n" + content + "\r\n";
}

const std::string body =
    part("Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg",
         std::string("ID3\0\r\n\r\r\n--\r\n------form7MA\r\n", 29) + std::string(3000, '\r')) +
    part("content-disposition: form-data; name=\"model\"", "whisper-1") +
    part("Content-Disposition: form-data; name=language", "en\r\n-- and more") + "------form7MA4--\r\nepilogue";

fields read(std::string_view content_type, const std::vector<std::string_view>& pieces) {
    collector found;
    form_reader reader(found);
    if (!reader.begin(content_type)) return {{"no", "form"}};
    for (const auto piece : pieces) reader.feed(piece);
    return found.all;
}

TEST(FormData, TellsTextFieldsAndPassesOverFiles) {
    EXPECT_EQ(read(type, {body}), (fields{{"model", "whisper-1"}, {"language", "en\r\n-- and more"}}));
    EXPECT_EQ(read("Multipart/Form-Data; charset=utf-8; boundary=\"----form7MA4\"", {body}).size(), 2U);
}

TEST(FormData, IsReadAlikeWhereverItIsCut) {
    const fields whole = read(type, {body});
    for (std::size_t at = 0; at <= body.size(); ++at) {
        const std::string_view all = body;
        ASSERT_EQ(read(type, {all.substr(0, at), all.substr(at)}), whole) << at;
    }
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < body.size(); ++i) bytes.push_back(std::string_view(body).substr(i, 1));
    EXPECT_EQ(read(type, bytes), whole);
}

TEST(FormData, AFieldThatIsCutShortSaysNothing) {
    const std::size_t end = body.find("whisper-1") + 9;
    EXPECT_EQ(read(type, {std::string_view(body).substr(0, end)}), fields{});
}

TEST(FormData, WhatIsNoFormSaysNothing) {
    const fields no{{"no", "form"}};
    EXPECT_EQ(read("application/json", {body}), no);
    EXPECT_EQ(read("multipart/form-data", {body}), no);
    EXPECT_EQ(read("multipart/form-data; boundary=" + std::string(71, 'x'), {body}), no);
    EXPECT_EQ(read(type, {"{\"model\":\"x\"}"}), fields{});
    EXPECT_EQ(read(type, {part("X-Long: " + std::string(5000, 'x'), "whisper-1")}), fields{});
    EXPECT_EQ(read(type, {part("Content-Disposition: form-data; name=\"prompt\"", std::string(5000, 'x')),
                          part("Content-Disposition: form-data; name=\"model\"", "m"), "------form7MA4--"}),
              (fields{{"model", "m"}}))
        << "a long field is passed over";
}

}  // namespace
