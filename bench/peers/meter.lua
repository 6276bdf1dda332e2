-- What both meters share: what a request was, and what it cost.
local meter = {}

meter.input_usd, meter.output_usd = 0.10e-6, 0.40e-6 -- a token of gemini-2.0-flash
meter.features = { ["generate-cover-letter"] = "cover-letter" }

function meter.content_type(uri)
    local name = uri:match("^/api/ai/([^/?]+)")
    return meter.features[name] or "other"
end

return meter
