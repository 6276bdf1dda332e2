// A scrape, read by the rules of the Prometheus text format: name and labels -> value as it stands there.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace tests {

struct metrics_text {
    struct sample {
        std::string name;
        std::map<std::string, std::string> labels;
        std::string value;
    };
    std::vector<sample> samples;
    std::map<std::string, std::string> types;  // of families

    static metrics_text parse(const std::string& text) {
        metrics_text all;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("# TYPE ")) {
                const auto space = line.find(' ', 7);
                EXPECT_TRUE(all.types.emplace(line.substr(7, space - 7), line.substr(space + 1)).second)
                    << "twice: " << line;
            } else if (!line.empty() && line[0] != '#') {
                all.samples.push_back(parse_sample(line));
            }
        }
        return all;
    }

    // The value of the only sample with this name and (at least) these labels, "" = there is none.
    std::string value(const std::string& name, const std::map<std::string, std::string>& labels = {}) const {
        const auto found = matching(name, labels);
        EXPECT_LE(found.size(), 1U) << name;
        return found.empty() ? "" : found.front()->value;
    }
    double sum(const std::string& name, const std::map<std::string, std::string>& labels = {}) const {
        double sum = 0;
        for (const sample* one : matching(name, labels)) sum += std::strtod(one->value.c_str(), nullptr);
        return sum;
    }
    std::vector<const sample*> matching(const std::string& name,
                                        const std::map<std::string, std::string>& labels) const {
        std::vector<const sample*> found;
        for (const sample& one : samples) {
            bool fits = one.name == name;
            for (const auto& [label, wanted] : labels) {
                const auto at = one.labels.find(label);
                fits = fits && (at == one.labels.end() ? "" : at->second) == wanted;
            }
            if (fits) found.push_back(&one);
        }
        return found;
    }

    // Buckets never fall, the last is that of all, and there is a sum and a count for each set of labels.
    void expect_consistent_histograms() const {
        std::map<std::string, double> last, count;
        int histograms = 0;
        for (const sample& one : samples) {
            auto labels = one.labels;
            labels.erase("le");
            std::string key;
            for (const auto& [label, text] : labels) key += label + "=" + text + ";";
            const double number = std::strtod(one.value.c_str(), nullptr);
            for (const auto& [family, type] : types) {
                if (type != "histogram") continue;
                if (one.name == family + "_bucket") {
                    EXPECT_GE(number, last[family + key]) << one.name << key;
                    last[family + key] = number;
                    if (one.labels.at("le") == "+Inf") ++histograms;
                }
                if (one.name == family + "_count") {
                    EXPECT_EQ(number, last[family + key]) << one.name << key;
                    --histograms;
                }
            }
        }
        EXPECT_EQ(histograms, 0) << "each has its +Inf and its count";
    }

private:
    static sample parse_sample(const std::string& line) {
        sample one;
        std::size_t at = line.find_first_of("{ ");
        one.name = line.substr(0, at);
        while (line[at] != ' ') {
            const auto equals = line.find('=', at);
            const std::string label = line.substr(at + 1, equals - at - 1);
            std::string text;
            for (at = equals + 2; line.at(at) != '"'; ++at) {
                const bool escaped = line[at] == '\\';
                if (escaped) ++at;
                text += escaped && line.at(at) == 'n' ? '\n' : line.at(at);
            }
            EXPECT_TRUE(one.labels.emplace(label, text).second) << "twice: " << label;
            ++at;
            if (line.at(at) == '}') ++at;
        }
        one.value = line.substr(at + 1);
        return one;
    }
};

}  // namespace tests
