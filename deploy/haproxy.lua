-- Asks tenantcfg about a request, for haproxy.cfg: sets txn.tenantcfg to the status of the answer,
-- 503 where there is none. It goes by HAProxy's own HTTP client; there is no module to fetch.

-- An address, not a name: HAProxy would look names up each time.
local url = "http://127.0.0.1:8180/check/nginx"
local milliseconds = 1000

-- With proxy_source = "headers" also x-tenantcfg-app, x-tenantcfg-tenant and x-tenantcfg-secret,
-- which haproxy.cfg has to set after it has deleted the client's.
local passed_on = { "authorization", "x-request-id", "tenantcfg-min-revision", "tenantcfg-store" }

local function headers_of(txn)
    local sent = txn.http:req_get_headers()
    local headers = {}
    for _, name in ipairs(passed_on) do
        local values = sent[name]
        if values then
            -- Each copy by itself, so that one sent twice is seen to be. HAProxy's lists begin at 0.
            local copies = {}
            local place = 0
            while values[place] ~= nil do
                copies[#copies + 1] = values[place]
                place = place + 1
            end
            headers[name] = copies
        end
    end
    headers["x-original-method"] = { txn.f:method() }
    -- Path and query as they came; over HTTP/2 the whole "url" may be absolute.
    headers["x-original-uri"] = { txn.f:pathq() }
    return headers
end

local function ask(txn)
    txn:set_var("txn.tenantcfg", 503)
    local client = core.httpclient()
    local answer = client:get({ url = url, headers = headers_of(txn), timeout = milliseconds })
    if answer and answer.status then
        txn:set_var("txn.tenantcfg", answer.status)
    end
end

core.register_action("tenantcfg", { "http-req" }, ask, 0)
