// The tail that a power failure leaves of an append-only file is cut off behind the last whole command, and nothing
// else ever is.
#include "tracking/store/append_only_file.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/support/journal_kit.hpp"

namespace tracking::store {
namespace {

using testing::HasSubstr;

std::string command(const std::vector<std::string>& words) {
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const auto& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    return text;
}

const std::string before = command({"SELECT", "0"}) + command({"SET", "a\r\nb", std::string("\0*1", 3)});
const std::string transaction =
    command({"MULTI"}) + command({"HSET", "h", "f", "1"}) + command({"XADD", "s", "1-1", "f", ""}) + command({"EXEC"});

TEST(AppendOnlyFile, EndsBehindTheLastWholeCommandOrTransaction) {
    const std::string all = before + transaction + command({"DEL", "x"});
    EXPECT_EQ(whole_commands(all), all.size());
    for (std::size_t cut = before.size(); cut < before.size() + transaction.size(); ++cut) {
        EXPECT_EQ(whole_commands(all.substr(0, cut)), before.size()) << cut;
        EXPECT_EQ(whole_commands(all.substr(0, cut) + std::string(100, '\0')), before.size()) << cut;
    }
    EXPECT_EQ(whole_commands(""), 0U);
    for (const std::string garbage : {"*", "*1", "*0\r\n", "*-1\r\n", "*1\r\n$99999999999999999999\r\n", "$1\r\na\r\n"})
        EXPECT_EQ(whole_commands(before + garbage), before.size()) << garbage;
}

class MendedFile : public testing::Test {
protected:
    MendedFile() {
        kit::write_file(folder.path() + "/appendonly.aof.manifest",
                        "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n"
                        "file appendonly.aof.3.incr.aof seq 3 type i\n");
        kit::write_file(folder.path() + "/appendonly.aof.2.incr.aof", "older ones are not touched");
    }
    std::string mend(const std::string& bytes) {
        kit::write_file(file, bytes);
        return mend_append_only_file(folder.path());
    }
    kit::temp_folder folder;
    const std::string file = folder.path() + "/appendonly.aof.3.incr.aof";
};

TEST_F(MendedFile, LosesItsTailWhichIsKept) {
    const std::string damaged = before + transaction.substr(0, 20) + std::string(5'000, '\0');
    EXPECT_THAT(mend(damaged), HasSubstr("the last 5020 bytes of " + file));
    EXPECT_EQ(kit::read_file(file), before);
    EXPECT_EQ(kit::read_file(file + ".tail"), damaged.substr(before.size()));
    EXPECT_THAT(mend(before + std::string(100, '\0')), HasSubstr("the last 100 bytes of " + file + " were zeros"));
    EXPECT_EQ(kit::read_file(file), before);
    EXPECT_EQ(kit::read_file(folder.path() + "/appendonly.aof.2.incr.aof"), "older ones are not touched");
}

TEST_F(MendedFile, StaysAsItIsWhenItIsWholeOrThereIsNone) {
    EXPECT_EQ(mend(before + transaction), "");
    EXPECT_EQ(kit::read_file(file), before + transaction);
    EXPECT_FALSE(std::filesystem::exists(file + ".tail"));
    std::filesystem::remove(file);
    EXPECT_EQ(mend_append_only_file(folder.path()), "");
    EXPECT_EQ(mend_append_only_file("/nowhere"), "");
}

TEST_F(MendedFile, IsLeftToAnOperatorWhenMoreThanATailIsUnreadable) {
    const std::string damaged = before + "x" + std::string(append_only_tail_max + 1, 'y');
    EXPECT_EQ(mend(damaged), "");
    EXPECT_EQ(std::filesystem::file_size(file), damaged.size());
}

}  // namespace
}  // namespace tracking::store
