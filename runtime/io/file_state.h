#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "io/read_buffer.h"
#include "reactor/fd_table.h"

namespace weft::detail {

struct FileState {
  FileState(Descriptor&& owned, std::string opened_as)
      : descriptor(std::move(owned)), path(std::move(opened_as)) {}

  std::string name() const { return '\'' + path + '\''; }

  Descriptor descriptor;
  const std::string path;
  // By whoever reads or writes one after the other.
  std::uint64_t position = 0;
  ReadBuffer ahead;  // what is in the file from there on, or was when it was read
};

}  // namespace weft::detail
