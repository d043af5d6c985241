#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

// Counts of non-negative values in logarithmic buckets: 128 to every power of two, exact below 128.
// A bucket is at most 1/128 of its value wide and answers with its middle, so a percentile is off
// by less than 0.4 %.
class Histogram {
 public:
  Histogram() : counts_(kBuckets) {}

  void record(std::int64_t value) {
    auto positive = static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0));
    ++counts_[bucket_of(positive)];
    ++total_;
    largest_ = std::max(largest_, positive);
  }

  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    largest_ = std::max(largest_, other.largest_);
  }

  std::uint64_t total() const { return total_; }
  std::uint64_t largest() const { return largest_; }

  // The smallest value that at least `fraction` of all recorded values do not exceed; 0 if empty.
  std::uint64_t quantile(double fraction) const {
    auto rank = static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(total_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen >= rank && seen > 0) return std::min(middle_of(i), largest_);
    }
    return largest_;
  }

 private:
  static constexpr unsigned kBits = 7;
  static constexpr std::uint64_t kPerOctave = std::uint64_t{1} << kBits;
  static constexpr std::size_t kBuckets = (64 - kBits + 1) * kPerOctave;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kPerOctave) return value;
    auto shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
    return shift * kPerOctave + (value >> shift);
  }

  static std::uint64_t middle_of(std::size_t bucket) {
    if (bucket < kPerOctave) return bucket;
    auto shift = bucket / kPerOctave - 1;
    std::uint64_t lowest = (bucket - shift * kPerOctave) << shift;
    return lowest + (std::uint64_t{1} << shift) / 2;
  }

  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
  std::uint64_t largest_ = 0;
};

}  // namespace bench
