// Reads the small text files in which Linux tells about itself (/proc, /sys), and takes them apart.
//
// By read(2) and not by streams: a stream needs the C++ library's locales, which would be a quarter
// of a binary that has that library inside.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "sluice/detail/file_descriptor.hpp"

namespace sluice::detail {

// The file's first `most` bytes; empty when it cannot be read.
inline std::string small_file(const std::string& path, size_t most = 65536) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!file.valid()) return text;
  std::array<char, 4096> buffer;
  while (text.size() < most) {
    const ssize_t count =
        ::read(file.get(), buffer.data(), std::min(buffer.size(), most - text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
  return text;
}

// Takes the next word from the front of the text; empty when there is none.
inline std::string_view next_word(std::string_view& text) {
  constexpr std::string_view kSpace = " \t\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(kSpace));
  text.remove_prefix(word.size());
  return word;
}

// Takes the next line, without its end, from the front of the text, which is not empty.
inline std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

// A word that is a decimal number, whole.
template <typename Number>
std::optional<Number> number_of(std::string_view word) {
  Number number = 0;
  const char* end = word.data() + word.size();
  const auto [stopped, error] = std::from_chars(word.data(), end, number);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

}  // namespace sluice::detail
