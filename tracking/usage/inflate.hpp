// The codings that zlib decodes. Called by decoder only.
#pragma once

#include <memory>

#include "tracking/usage/decoder.hpp"

namespace tracking::usage {

// gzip (RFC 1952), several members in a row included; nullptr when there is no memory.
std::unique_ptr<coding> make_gzip_coding() noexcept;
// deflate: the zlib format (RFC 1950), and the raw one (RFC 1951) that some servers send under that name.
std::unique_ptr<coding> make_deflate_coding() noexcept;

}  // namespace tracking::usage
