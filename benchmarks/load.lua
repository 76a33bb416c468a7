-- wrk's script: sends one request over and over, and prints what came back as a line of JSON.
-- Arguments after "--": method, content type ("" for none), file with the body ("" for none),
-- value of the header Connection.
-- Source: https://github.com/wg/wrk/blob/master/SCRIPTING

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  statuses = {}
  wrk.method = arguments[1]
  if arguments[2] ~= "" then wrk.headers["Content-Type"] = arguments[2] end
  if arguments[3] ~= "" then
    local file = assert(io.open(arguments[3], "rb"))
    wrk.body = file:read("*a")
    file:close()
  end
  wrk.headers["Connection"] = arguments[4]
end

function response(status)
  statuses[tostring(status)] = (statuses[tostring(status)] or 0) + 1
end

function done(summary, latency)
  local counts, errors = {}, summary.errors
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do
      table.insert(counts, string.format('"%s": %d', status, count))
    end
  end
  print(string.format(
    '{"seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "broken": %d, "statuses": {%s}}',
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.timeout, table.concat(counts, ", ")))
end
