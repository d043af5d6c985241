-- For wrk: the figures of a run as JSON, in the last line of its output.
done = function(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "bytes": %d, "us": %d, "p50_us": %g, "p99_us": %g, "broken": %d, ' ..
      '"refused": %d, "late": %d}',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write, errors.status, errors.timeout))
end
